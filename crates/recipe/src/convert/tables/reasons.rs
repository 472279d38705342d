//! Reasons for keys that do not reach the recipe, shared by the tables.

pub(super) const MACHINE: &str = "it sets how the machine is used and does not change the training";
pub(super) const ONE_DEVICE: &str = "training runs on one device";
pub(super) const TESTING: &str = "`[benchmark]` sets the evaluation after every epoch";
pub(super) const LOGGING: &str = "the log is `trainer_log.jsonl`, TensorBoard files and `report.html`";
pub(super) const CHECKPOINTS: &str = "a checkpoint holds everything for a resume, as safetensors";
pub(super) const RESUME: &str = "a run continues with `stepwise train RECIPE --resume`";
pub(super) const NETWORK: &str = "nothing is downloaded or uploaded";
pub(super) const GENERATION: &str = "it sets the generation of text, which training does not use";
pub(super) const SWITCHED: &str =
    "it belongs to a method that another key of the tool switches on, and that Stepwise does not have";
pub(super) const EXPORT: &str = "`stepwise export` writes models";
pub(super) const CODE: &str = "code of a model is never run";
pub(super) const SEED: &str = "`seed` decides the order of the data too";
pub(super) const TEMPLATE: &str = "the chat template of the model's folder is used";
pub(super) const TOKENIZER: &str = "the tokenizer of the model's folder is used as it is";
pub(super) const PIXELS: &str = "the model's folder sets the image size; `image_max_pixels` and `image_min_pixels` of a recipe change it for models that \
     take images of any size, `do_image_splitting = false` gives fewer tokens for models that split images";
pub(super) const OTHER_MEDIA: &str = "cases hold images and text only";
pub(super) const PACKING: &str = "nothing is packed: questions about one image share its prefix. A packed row holds several \
                                  conversations, so a step there holds more conversations than rows";
pub(super) const UNPACKED: &str = "it sets how rows are packed; nothing is packed here";
pub(super) const PADDING: &str = "it sets the padding of a batch, which the loss leaves out there and here";
pub(super) const ANSWERS: &str = "only answers are supervised";
pub(super) const NOT_CUT: &str = "nothing is truncated: a longer conversation is an error before the run";
pub(super) const METHOD: &str = "Stepwise does not have this method";
pub(super) const FREEZING: &str = "whole parts are frozen here, not single parameters -> `freeze_vision_tower` and \
                                   `freeze_multi_modal_projector` in `[lora]` or `[full]`, and `freeze_language_model` \
                                   in `[full]`, freeze them";
pub(super) const MODEL: &str = "the model is used as its folder describes it";
pub(super) const DATA: &str = "Stepwise trains on case files -> convert the data (`stepwise data import`, or write your own \
                               `cases.jsonl`) and name its folder as `[data] dataset`";
pub(super) const DATA_READING: &str = "it sets how the tool reads its data; Stepwise reads case files";
pub(super) const FP16: &str = "weights are held in float32, or in bfloat16 with `bf16 = true`";
pub(super) const EIGHT_BITS: &str = "weights are held in four bits (`load_in_4bit`), bf16 or f32";
pub(super) const SAMPLES: &str = "it counts conversations there; `[data] max_samples` counts cases";
