//! One safetensors file: its header in memory, its values read from the file when they are needed.
//!
//! The file is not mapped into memory: mapped pages would count as memory of the process beside the weights made of them,
//! and a file that becomes shorter would end the process.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensorError};

use crate::fault::{Fault, git_lfs_pointer};
use crate::nn::source::WeightError;

/// Bytes of the header's length, at the beginning of a file.
const LENGTH: u64 = 8;

/// Largest header in bytes, as the safetensors format says.
const LARGEST_HEADER: u64 = 100_000_000;

/// Bytes of a tensor that are read at once; a multiple of the size of every type.
const PIECE: usize = 1 << 20;

/// An open safetensors file with a checked header.
pub(super) struct SafetensorsFile {
    path: PathBuf,
    /// Behind a lock, because a read moves the position in the file.
    file: Mutex<File>,
    header: Metadata,
    /// Position of the first value in bytes.
    start: u64,
}

impl SafetensorsFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// When the file cannot be read, the header is malformed, or its tensors do not cover the file exactly.
    pub fn open(path: &Path) -> Result<Self, WeightError> {
        let unreadable = |error: std::io::Error| -> WeightError {
            Fault::new(path, error, "copy or download the folder again, and check the file's read permissions").into()
        };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let mut head = Vec::new();
        (&file).take(LENGTH).read_to_end(&mut head).map_err(unreadable)?;
        let length = <[u8; LENGTH as usize]>::try_from(&head[..]).map(u64::from_le_bytes);
        let length = length.map_err(|_| malformed(path, &SafeTensorError::HeaderTooSmall))?;
        if length > LARGEST_HEADER {
            (&file).take(LENGTH * LENGTH).read_to_end(&mut head).map_err(unreadable)?;
            if let Some(pointer) = git_lfs_pointer(&head) {
                return Err(Fault::new(path, pointer, "fetch it, or download the folder again").into());
            }
            return Err(malformed(path, &SafeTensorError::HeaderTooLarge));
        }
        if LENGTH + length > bytes {
            return Err(malformed(path, &SafeTensorError::InvalidHeaderLength));
        }
        let mut text = Vec::new();
        (&file).take(length).read_to_end(&mut text).map_err(unreadable)?;
        let header: Metadata =
            serde_json::from_slice(&text).map_err(|error| malformed(path, &format_args!("invalid header: {error}")))?;
        let start = LENGTH + length;
        if start + header.data_len() as u64 != bytes {
            return Err(malformed(path, &SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), header, start })
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.start + self.header.data_len() as u64
    }

    /// Returns the names of all tensors, sorted, so that the same file always gives the same first error.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort_unstable();
        names
    }

    /// Returns a tensor by its name in the file; None if the file does not hold it.
    pub fn tensor<'a>(&'a self, name: &'a str) -> Option<StoredTensor<'a>> {
        Some(StoredTensor { file: self, name, info: self.header.info(name)? })
    }
}

/// A tensor of a file.
pub(super) struct StoredTensor<'a> {
    file: &'a SafetensorsFile,
    name: &'a str,
    info: &'a TensorInfo,
}

impl StoredTensor<'_> {
    /// Returns the name of the tensor in the file.
    pub fn name(&self) -> &str {
        self.name
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Returns the stored type.
    pub fn dtype(&self) -> Dtype {
        self.info.dtype
    }

    /// Returns the size of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.info.shape
    }

    /// Calls `visitor` with all bytes in their order, in pieces of whole values.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn pieces(&self, mut visitor: impl FnMut(&[u8])) -> Result<(), WeightError> {
        let mut piece = Vec::new();
        for first in (0..self.len()).step_by(PIECE) {
            self.read(first, &mut piece)?;
            visitor(&piece);
        }
        Ok(())
    }

    /// Returns whether type and bytes are equal to those of `other`.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn has_bytes_of(&self, other: &Self) -> Result<bool, WeightError> {
        if (self.dtype(), self.len()) != (other.dtype(), other.len()) {
            return Ok(false);
        }
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for first in (0..self.len()).step_by(PIECE) {
            self.read(first, &mut one)?;
            other.read(first, &mut two)?;
            if one != two {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Size in bytes.
    fn len(&self) -> usize {
        let (start, end) = self.info.data_offsets;
        end - start
    }

    /// Reads the bytes from `first` on into `piece`, at most [`PIECE`].
    fn read(&self, first: usize, piece: &mut Vec<u8>) -> Result<(), WeightError> {
        piece.resize(PIECE.min(self.len() - first), 0);
        let place = self.file.start + (self.info.data_offsets.0 + first) as u64;
        let mut file = self.file.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.read_exact(piece));
        read.map_err(|error| {
            let problem = format!("tensor {} cannot be read: {error}", self.name);
            Fault::new(&self.file.path, problem, "copy or download the file again").into()
        })
    }
}

fn malformed(path: &Path, error: &dyn Display) -> WeightError {
    let problem = format!("invalid safetensors file: {error}");
    Fault::new(path, problem, "copy or download the file again").into()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use safetensors::tensor::TensorView;

    use super::*;

    /// Writes two tensors of one and a half pieces, which differ in the last byte, and one small tensor between them.
    fn written(folder: &Path) -> SafetensorsFile {
        let long: Vec<u8> = (0..PIECE / 2 * 3).map(|place| (place / 4 % 251) as u8).collect();
        let mut other = long.clone();
        *other.last_mut().expect("bytes") += 1;
        let view = |bytes| TensorView::new(Dtype::F32, vec![PIECE / 8, 3], bytes).expect("a tensor");
        let small = TensorView::new(Dtype::BF16, vec![1], &[1, 2]).expect("a tensor");
        let path = folder.join("a.safetensors");
        let tensors = [("long", view(&long)), ("other", view(&other)), ("small", small), ("twin", view(&long))];
        safetensors::serialize_to_file(tensors, None, &path).expect("written");
        SafetensorsFile::open(&path).expect("a file")
    }

    #[test]
    fn pieces_are_the_bytes_of_the_tensor_in_their_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = written(folder.path());
        let (mut bytes, mut count) = (Vec::new(), 0);
        let long = file.tensor("long").expect("a tensor");
        long.pieces(|piece| {
            bytes.extend_from_slice(piece);
            count += 1;
        })
        .expect("read");
        assert_eq!((count, bytes.len()), (2, PIECE / 2 * 3));
        assert!(bytes.iter().enumerate().all(|(place, byte)| *byte == (place / 4 % 251) as u8));
        let equal = |name: &str| long.has_bytes_of(&file.tensor(name).expect("a tensor")).expect("read");
        assert!(equal("twin") && !equal("other") && !equal("small"));
        assert_eq!(file.names(), ["long", "other", "small", "twin"]);
        assert_eq!(file.bytes(), std::fs::metadata(file.path()).expect("a file").len());
    }

    #[test]
    fn a_file_that_becomes_shorter_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = written(folder.path());
        let shortened =
            OpenOptions::new().write(true).open(file.path()).and_then(|open| open.set_len(file.bytes() / 2));
        shortened.expect("shortened");
        let read = |name: &str| file.tensor(name).expect("a tensor").pieces(|_| ());
        let problems: Vec<String> =
            file.names().iter().filter_map(|name| read(name).err()).map(|error| error.to_string()).collect();
        assert!(
            !problems.is_empty() && problems.iter().all(|problem| problem.contains("cannot be read")),
            "{problems:?}"
        );
    }

    #[test]
    fn a_pointer_of_git_lfs_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n";
        std::fs::write(&path, pointer).expect("written");
        let error = SafetensorsFile::open(&path).err().expect("refused").to_string();
        assert!(error.contains("`git lfs pull`"), "{error}");
    }
}
