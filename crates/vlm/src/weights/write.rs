//! Atomic writing of safetensors files, one tensor after another.

use std::collections::VecDeque;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stepwise_data::io::atomic::{AtomicFile, write_atomic};

use crate::fault::Fault;
use crate::nn::source::WeightError;

/// Number of values that are converted to bytes at once.
const CHUNK: usize = 1 << 16;

/// Tensor to write to a safetensors file.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Name in the file.
    pub name: String,
    /// Length of each dimension; the product is the number of values.
    pub shape: Vec<usize>,
    /// Values, row by row.
    pub values: Vec<f32>,
}

/// Writer of a safetensors file. It takes the values of one tensor after another, so that the tensors need not be in memory
/// together. In the file they are sorted by name, so its bytes are those that the library safetensors writes. The file is
/// complete or unchanged, also after a crash.
pub struct SafetensorsWriter {
    file: AtomicFile,
    path: PathBuf,
    bf16: bool,
    /// Tensors that are not written yet, in the order in which they are taken.
    left: VecDeque<Place>,
}

/// Place of a tensor in a file.
#[derive(Clone, Copy)]
struct Place {
    /// Number of values.
    count: usize,
    /// Position of the first value in bytes.
    start: u64,
}

impl SafetensorsWriter {
    /// Starts the file `path` with tensors of these names and shapes, as f32, or with `bf16` rounded to the nearest bf16. The
    /// folder must exist; an existing file is replaced by [`SafetensorsWriter::finish`]. The metadata is `format: pt`, which
    /// PyTorch tools expect.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, tensors: &[(String, Vec<usize>)], bf16: bool) -> Result<Self, WeightError> {
        let mut file = AtomicFile::create(path).map_err(|error| failed(path, error))?;
        let (header, mut places) = header(tensors, bf16);
        let length = header.len() as u64;
        let written = file.write_all(&length.to_le_bytes()).and_then(|()| file.write_all(header.as_bytes()));
        written.map_err(|error| failed(path, error))?;
        places.iter_mut().for_each(|place| place.start += size_of_val(&length) as u64 + length);
        Ok(Self { file, path: path.to_owned(), bf16, left: places })
    }

    /// Writes the values of the next tensor, row by row.
    ///
    /// # Errors
    /// When the file cannot be written, or the number of values does not match the shape.
    pub fn write(&mut self, values: &[f32]) -> Result<(), WeightError> {
        let Some(place) = self.left.pop_front().filter(|place| place.count == values.len()) else {
            return Err(self.misfit());
        };
        let mut chunks = values.chunks(CHUNK);
        let sought = self.file.seek(SeekFrom::Start(place.start));
        let written =
            sought.and_then(|_| chunks.try_for_each(|chunk| self.file.write_all(&to_bytes(chunk, self.bf16))));
        written.map_err(|error| failed(&self.path, error))
    }

    /// Replaces an earlier file by the written one.
    ///
    /// # Errors
    /// When the file cannot be written, or a tensor is not written yet.
    pub fn finish(self) -> Result<(), WeightError> {
        if !self.left.is_empty() {
            return Err(self.misfit());
        }
        self.file.commit().map_err(|error| failed(&self.path, error))
    }

    fn misfit(&self) -> WeightError {
        let problem = "tensors and shapes do not fit";
        Fault::new(&self.path, problem, "report this as a bug of Stepwise").into()
    }
}

/// Returns the header of a safetensors file and the place of every tensor behind it. The header is name, type, shape and
/// place of every tensor, sorted by name, as JSON whose length is a multiple of 8.
fn header(tensors: &[(String, Vec<usize>)], bf16: bool) -> (String, VecDeque<Place>) {
    let (dtype, bytes) = if bf16 { ("BF16", 2) } else { ("F32", 4) };
    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|tensor| &tensors[*tensor].0);
    let mut entries = Map::from_iter([("__metadata__".to_owned(), json!({ "format": "pt" }))]);
    let mut places = VecDeque::from(vec![Place { count: 0, start: 0 }; tensors.len()]);
    let mut end = 0;
    for tensor in order {
        let (name, shape) = &tensors[tensor];
        let (count, start) = (shape.iter().product::<usize>(), end);
        end += count * bytes;
        entries.insert(name.clone(), json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] }));
        places[tensor] = Place { count, start: start as u64 };
    }
    let mut text = Value::Object(entries).to_string();
    let padding = text.len().next_multiple_of(8) - text.len();
    text.push_str(&" ".repeat(padding));
    (text, places)
}

/// Writes `tensors` to `path` like [`SafetensorsWriter`].
///
/// # Errors
/// When the file cannot be written, or a tensor's number of values does not match its shape.
pub fn write_safetensors(path: &Path, tensors: &[NamedTensor], bf16: bool) -> Result<(), WeightError> {
    let shapes: Vec<_> = tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
    let mut writer = SafetensorsWriter::create(path, &shapes, bf16)?;
    tensors.iter().try_for_each(|tensor| writer.write(&tensor.values))?;
    writer.finish()
}

/// Writes a file of a model or adapter folder. The file is complete or unchanged, also after a crash, and a temporary
/// file is removed when writing fails.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_file(path: &Path, content: &[u8]) -> Result<(), WeightError> {
    write_atomic(path, content).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: io::Error) -> WeightError {
    WeightError::File { path: path.display().to_string(), error }
}

fn to_bytes(values: &[f32], bf16: bool) -> Vec<u8> {
    if bf16 {
        values.iter().flat_map(|value| half::bf16::from_f32(*value).to_le_bytes()).collect()
    } else {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;
    use safetensors::{Dtype, SafeTensors};

    use super::*;

    /// Bytes of the same file as the library safetensors writes them.
    fn of_library(tensors: &[NamedTensor], bf16: bool) -> Vec<u8> {
        let dtype = if bf16 { Dtype::BF16 } else { Dtype::F32 };
        let bytes: Vec<Vec<u8>> = tensors.iter().map(|tensor| to_bytes(&tensor.values, bf16)).collect();
        let views = tensors.iter().zip(&bytes).map(|(tensor, bytes)| {
            (tensor.name.as_str(), TensorView::new(dtype, tensor.shape.clone(), bytes).expect("a tensor"))
        });
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        safetensors::serialize(views, Some(metadata)).expect("written")
    }

    #[test]
    fn the_reader_of_hugging_face_finds_what_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.safetensors");
        let named = |name: &str, shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            NamedTensor {
                name: name.to_owned(),
                shape: shape.to_vec(),
                values: (0..count).map(|at| at as f32).collect(),
            }
        };
        let tensors = [named("b.\"weight\"", &[3, CHUNK]), named("a", &[2]), named("none", &[0, 4]), named("one", &[])];
        for bf16 in [false, true] {
            write_safetensors(&path, &tensors, bf16).expect("written");
            let bytes = std::fs::read(&path).expect("there");
            assert_eq!(bytes, of_library(&tensors, bf16));
            let read = SafeTensors::deserialize(&bytes).expect("valid");
            assert_eq!(read.len(), tensors.len());
            for tensor in &tensors {
                let found = read.tensor(&tensor.name).expect("there");
                assert_eq!(
                    (found.shape(), found.dtype()),
                    (&tensor.shape[..], if bf16 { Dtype::BF16 } else { Dtype::F32 })
                );
                assert_eq!(found.data(), to_bytes(&tensor.values, bf16), "{}", tensor.name);
            }
            let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("valid");
            assert_eq!(metadata.metadata().as_ref().expect("metadata")["format"], "pt");
        }
    }

    #[test]
    fn a_file_with_too_few_or_too_many_values_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.safetensors");
        let start = || SafetensorsWriter::create(&path, &[("a".to_owned(), vec![2])], false).expect("created");
        assert!(start().finish().is_err());
        assert!(start().write(&[1.0]).is_err());
        let mut writer = start();
        writer.write(&[1.0, 2.0]).expect("written");
        assert!(writer.write(&[]).is_err());
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
