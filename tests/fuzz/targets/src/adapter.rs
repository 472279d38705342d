//! Fuzz target for PEFT adapter folders.

use burn::tensor::Device;
use stepwise_vlm::adapter::{load_adapter, save_adapter};
use stepwise_vlm::model::Vlm;

use crate::support::{files, fixture, folder, refused, write};

thread_local! {
    static BASE: Vlm = Vlm::load(&fixture("tiny"), &Device::flex()).expect("the tiny model");
}

/// Loads `adapter_config.json` and `adapter_model.safetensors` on a tiny model. An accepted adapter is saved and
/// loaded again.
///
/// # Errors
/// When the adapter is refused.
///
/// # Panics
/// When an accepted adapter cannot be saved and loaded again, or an error gives no advice.
pub fn adapter(data: &[u8]) -> Result<(), String> {
    let [config, weights] = files(data);
    let place = folder();
    write(place.path(), "adapter_config.json", config);
    write(place.path(), "adapter_model.safetensors", weights);
    let mut model = BASE.with(Clone::clone);
    let config = load_adapter(&mut model, place.path()).map_err(refused)?;
    let again = folder();
    save_adapter(&mut model, &config, "tiny", again.path()).expect("what was read can be written");
    load_adapter(&mut model, again.path()).expect("what was written can be read");
    Ok(())
}
