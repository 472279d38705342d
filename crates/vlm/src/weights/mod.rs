//! Reading, writing and random initialisation of weights in Hugging Face folders.

mod init;
mod names;
mod read;
mod write;

pub use init::RandomSource;
pub(crate) use init::normal;
pub use read::SafetensorsSource;
pub(crate) use read::nearest;
pub use write::{NamedTensor, write_safetensors};
