//! Reading, writing and random initialisation of weights in Hugging Face folders.

mod agreement;
mod config_keys;
mod file;
mod files;
mod init;
mod read;
mod stored;
mod write;

pub use init::RandomSource;
pub(crate) use init::normal;
pub use read::SafetensorsSource;
pub(crate) use read::nearest;
pub use stored::StoredWeights;
pub(crate) use write::write_file;
pub use write::{NamedTensor, SafetensorsWriter, write_safetensors};
