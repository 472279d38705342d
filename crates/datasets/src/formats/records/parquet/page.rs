//! Pages of a column chunk.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};

use super::body::{Body, Codec, damaged};
use super::footer::Chunk;
use super::thrift;

/// Largest head of a page in bytes: it may hold the least and the largest value.
const LARGEST_HEAD: u64 = 32 << 20;

/// Unpacked page.
pub(super) struct Page {
    /// What the page holds.
    pub(super) content: Content,
    /// Number of values, nulls included.
    pub(super) values: u64,
    /// Number of the encoding.
    pub(super) encoding: i64,
    /// Unpacked bytes: levels (of a data page of version 1), then values.
    pub(super) body: Body,
}

/// What a page holds.
pub(super) enum Content {
    /// Values that other pages name by their index.
    Dictionary,
    /// Values behind their levels, in one body.
    Data,
    /// Values; the bytes of the repetition and definition levels are apart.
    DataApart(Vec<u8>, Vec<u8>),
}

/// Reads the pages of a chunk one after another.
pub(super) struct Pages {
    file: BufReader<File>,
    /// Place of the next page.
    next: u64,
    end: u64,
    codec: Codec,
    /// Unpacked bytes that the chunk states and that are not made yet.
    unpacked: u64,
}

impl Pages {
    /// Reads the pages of `chunk`.
    pub(super) fn new(file: BufReader<File>, chunk: &Chunk) -> Self {
        Self {
            file,
            next: chunk.start,
            end: chunk.start + chunk.length,
            codec: chunk.codec,
            // Heads count, too; writers differ in whether they count what is not compressed.
            unpacked: chunk.unpacked.max(chunk.length),
        }
    }

    /// Returns the file, for the next chunk.
    pub(super) fn into_file(self) -> BufReader<File> {
        self.file
    }

    /// Returns the next page; None after the last one.
    ///
    /// # Errors
    /// When the page is damaged, or unpacks to more than the chunk states.
    pub(super) fn next(&mut self) -> io::Result<Option<Page>> {
        while self.next < self.end {
            self.file.seek(SeekFrom::Start(self.next))?;
            let limit = LARGEST_HEAD.min(self.end - self.next);
            let mut head = self.file.by_ref().take(limit);
            let header = thrift::read(&mut head)?;
            let body = self.next + (limit - head.limit());
            let size = |id: i16| header.int(id).and_then(|size| u64::try_from(size).ok());
            let (Some(unpacked), Some(packed)) = (size(2), size(3)) else {
                return Err(damaged("a page states no size"));
            };
            self.next = body + packed;
            if self.next > self.end {
                return Err(damaged("a page reaches beyond its column"));
            }
            self.unpacked = self.unpacked.checked_sub(unpacked).ok_or_else(|| {
                damaged(format!("a page of {packed} bytes unpacks to {unpacked} bytes, more than its column states"))
            })?;
            let part = |id: i16| header.field(id).ok_or_else(|| damaged("a page lacks its head"));
            let (content, head) = match header.int(1) {
                Some(0) => (Content::Data, part(5)?),
                Some(2) => (Content::Dictionary, part(7)?),
                Some(3) => (Content::DataApart(Vec::new(), Vec::new()), part(8)?),
                _ => continue,
            };
            let values = head.int(1).and_then(|values| u64::try_from(values).ok());
            let values = values.ok_or_else(|| damaged("a page states no number of values"))?;
            let is_apart = matches!(content, Content::DataApart(..));
            let encoding = head.int(if is_apart { 4 } else { 2 }).unwrap_or(-1);
            if !is_apart {
                let body = self.body(self.codec, packed, unpacked)?;
                return Ok(Some(Page { content, values, encoding, body }));
            }
            let level = |id: i16| head.int(id).and_then(|length| u64::try_from(length).ok()).unwrap_or_default();
            let (definition, repetition) = (level(5), level(6));
            let levels = definition.saturating_add(repetition);
            let (Some(packed), Some(unpacked)) = (packed.checked_sub(levels), unpacked.checked_sub(levels)) else {
                return Err(damaged("the levels of a page are longer than the page"));
            };
            let repetition = self.body(Codec::None, repetition, repetition)?.exactly(repetition)?;
            let definition = self.body(Codec::None, definition, definition)?.exactly(definition)?;
            let is_packed = head.field(7) != Some(&thrift::Value::Bool(false));
            let body = self.body(if is_packed { self.codec } else { Codec::None }, packed, unpacked)?;
            return Ok(Some(Page { content: Content::DataApart(repetition, definition), values, encoding, body }));
        }
        Ok(None)
    }

    fn body(&mut self, codec: Codec, packed: u64, unpacked: u64) -> io::Result<Body> {
        let codec = if unpacked == 0 { Codec::None } else { codec };
        let packed_bytes = self.file.by_ref().take(if unpacked == 0 { 0 } else { packed });
        Body::unpack(packed_bytes, codec, packed, unpacked)
    }
}
