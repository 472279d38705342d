//! Decompressed bytes of a page: in memory, or in a temporary file when the page holds many images.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

use super::snappy::Snappy;

/// Largest page that is held in memory, in bytes (16 MiB). Larger ones are unpacked to a temporary file.
const IN_MEMORY: u64 = 16 << 20;

/// Largest ratio of unpacked to packed bytes of a page above [`IN_MEMORY`]. Images hardly shrink, and pages of texts are
/// of about a megabyte.
const LARGEST_RATIO: u64 = 50;

/// Decompressed bytes of a page.
pub(super) enum Body {
    /// In memory.
    Memory(Cursor<Vec<u8>>),
    /// In a temporary file without a name.
    Disk(BufReader<File>),
}

/// Compression of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    /// Not compressed.
    None,
    /// Raw Snappy block.
    Snappy,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Codec {
    /// Returns the codec with this number of the format.
    ///
    /// # Errors
    /// The name of a codec that is not read.
    pub(super) fn of(number: i64) -> Result<Self, String> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Snappy),
            2 => Ok(Self::Gzip),
            6 => Ok(Self::Zstd),
            3 => Err("LZO".into()),
            4 => Err("Brotli".into()),
            5 | 7 => Err("LZ4".into()),
            other => Err(format!("codec {other}")),
        }
    }
}

impl Body {
    /// Unpacks the bytes of `packed`, which are `from` bytes, to exactly `length` bytes.
    ///
    /// # Errors
    /// When the packed bytes are damaged or give another length, would unpack to far more than pages do, or the
    /// temporary file cannot be written.
    pub(super) fn unpack(packed: impl Read, codec: Codec, from: u64, length: u64) -> io::Result<Self> {
        if length > IN_MEMORY && length / LARGEST_RATIO > from {
            return Err(damaged(format!("a page of {from} bytes unpacks to {length} bytes")));
        }
        let mut unpacked: Box<dyn Read + '_> = match codec {
            Codec::None => Box::new(packed),
            Codec::Snappy => Box::new(Snappy::new(packed)),
            Codec::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Codec::Zstd => Box::new(
                ruzstd::decoding::StreamingDecoder::new(packed)
                    .map_err(|error| damaged(format!("a page is no Zstandard frame: {error}")))?,
            ),
        };
        let mut limited = unpacked.by_ref().take(length);
        let (body, written) = if length > IN_MEMORY {
            let mut file = tempfile::tempfile()?;
            let written = io::copy(&mut limited, &mut file)?;
            file.rewind()?;
            (Self::Disk(BufReader::with_capacity(1 << 16, file)), written)
        } else {
            let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
            let written = limited.read_to_end(&mut bytes)? as u64;
            (Self::Memory(Cursor::new(bytes)), written)
        };
        if written != length || unpacked.read(&mut [0])? > 0 {
            return Err(damaged(format!("a page does not unpack to the {length} bytes that it states")));
        }
        Ok(body)
    }

    /// Returns the number of bytes.
    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::Memory(bytes) => Ok(bytes.get_ref().len() as u64),
            Self::Disk(file) => Ok(file.get_ref().metadata()?.len()),
        }
    }

    /// Reads `length` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    pub(super) fn exactly(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let capacity = length.min(IN_MEMORY);
        bytes.reserve_exact(usize::try_from(capacity).unwrap_or_default());
        self.take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads `length` bytes from the offset `offset` on.
    ///
    /// # Errors
    /// When there are fewer.
    pub(super) fn bytes_at(&mut self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Memory(bytes) => bytes.set_position(offset),
            Self::Disk(file) => {
                // A seek that stays in the buffer keeps it.
                let by = offset as i64 - file.stream_position()? as i64;
                file.seek_relative(by)?;
            }
        }
        self.exactly(length)
    }

    /// Skips `length` bytes.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<()> {
        let by = i64::try_from(length).map_err(|_| damaged("a value is too long"))?;
        match self {
            Self::Memory(bytes) => bytes.seek(SeekFrom::Current(by)).map(|_| ()),
            Self::Disk(file) => file.seek_relative(by),
        }
    }
}

/// Makes an error of damaged contents.
pub(super) fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory(bytes) => bytes.read(buffer),
            Self::Disk(file) => file.read(buffer),
        }
    }
}
