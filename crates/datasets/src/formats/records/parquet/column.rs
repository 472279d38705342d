//! Values of a column with their levels, through all pages of a row group.

use std::fs::File;
use std::io::{self, BufReader, Cursor};

use super::body::{Body, damaged};
use super::footer::Chunk;
use super::hybrid::Hybrid;
use super::page::{Content, Page, Pages};
use super::schema::Column;
use super::values::{Dictionary, Leaf, Values};

/// Levels of a page.
type Levels = Option<Hybrid<Cursor<Vec<u8>>>>;

/// A value with its levels.
pub(super) struct Entry {
    /// Repetition level: 0 begins a record.
    pub(super) repetition: u16,
    /// Definition level.
    pub(super) definition: u16,
    /// Value; None when the definition level is below the largest.
    pub(super) leaf: Option<Leaf>,
}

/// Reads the entries of a column chunk.
pub(super) struct ColumnReader {
    pages: Pages,
    column: Column,
    dictionary: Option<Dictionary>,
    /// Present page: repetition levels, definition levels, values, and the number of entries that are left.
    page: Option<(Levels, Levels, Values, u64)>,
    /// Entries of the chunk that are left.
    left: u64,
    /// Repetition level of the next entry, when it is read already.
    peeked: Option<u16>,
}

impl ColumnReader {
    /// Reads `chunk`, a chunk of `column`.
    pub(super) fn new(file: BufReader<File>, column: Column, chunk: &Chunk) -> Self {
        let pages = Pages::new(file, chunk);
        Self { pages, column, dictionary: None, page: None, left: chunk.values, peeked: None }
    }

    /// Returns the file, for the next chunk.
    pub(super) fn into_file(self) -> BufReader<File> {
        self.pages.into_file()
    }

    /// Returns whether the next entry belongs to the present record.
    ///
    /// # Errors
    /// When the next page is damaged.
    pub(super) fn continues(&mut self) -> io::Result<bool> {
        if self.column.repetition == 0 || (self.left == 0 && self.peeked.is_none()) {
            return Ok(false);
        }
        Ok(self.repetition()? > 0)
    }

    /// Returns the next entry.
    ///
    /// # Errors
    /// When the chunk ends, or a page is damaged.
    pub(super) fn next(&mut self) -> io::Result<Entry> {
        let repetition = self.repetition()?;
        self.peeked = None;
        let largest = self.column.definition;
        let Some((_, definitions, values, left)) = &mut self.page else {
            return Err(damaged("the column ends early"));
        };
        let definition = match definitions {
            Some(levels) => u16::try_from(levels.next()?).unwrap_or(u16::MAX),
            None => 0,
        };
        if definition > largest {
            return Err(damaged(format!("a definition level is {definition}, above {largest}")));
        }
        let leaf = (definition == largest).then(|| values.next(&mut self.dictionary)).transpose()?;
        *left -= 1;
        Ok(Entry { repetition, definition, leaf })
    }

    /// Returns the repetition level of the next entry.
    fn repetition(&mut self) -> io::Result<u16> {
        if let Some(level) = self.peeked {
            return Ok(level);
        }
        while self.page.as_ref().is_none_or(|page| page.3 == 0) {
            let page = self.pages.next()?.ok_or_else(|| damaged("the column ends early"))?;
            self.open(page)?;
        }
        self.left = self.left.checked_sub(1).ok_or_else(|| damaged("the column has more values than it states"))?;
        let level = match &mut self.page {
            Some((Some(levels), ..)) => u16::try_from(levels.next()?).unwrap_or(u16::MAX),
            _ => 0,
        };
        if level > self.column.repetition {
            return Err(damaged(format!("a repetition level is {level}, above {}", self.column.repetition)));
        }
        self.peeked = Some(level);
        Ok(level)
    }

    fn open(&mut self, page: Page) -> io::Result<()> {
        let Page { content, values, encoding, mut body } = page;
        let kind = self.column.kind;
        let (repetition, definition) = (self.column.repetition, self.column.definition);
        let levels = match content {
            Content::Dictionary => {
                self.dictionary = Some(Dictionary::new(kind, body, values)?);
                return Ok(());
            }
            Content::Data => {
                let repetitions = behind_length(repetition, &mut body)?;
                (repetitions, behind_length(definition, &mut body)?)
            }
            Content::DataApart(repetitions, definitions) => {
                (levels(repetition, repetitions)?, levels(definition, definitions)?)
            }
        };
        // A page without a value has no encoding of values to read.
        let values_of_page =
            if body_ends(&body)? { Values::Plain(kind, body) } else { Values::new(kind, encoding, body)? };
        self.page = Some((levels.0, levels.1, values_of_page, values));
        Ok(())
    }
}

fn body_ends(body: &Body) -> io::Result<bool> {
    match body {
        Body::Memory(bytes) => Ok(bytes.position() >= bytes.get_ref().len() as u64),
        Body::Disk(_) => Ok(false),
    }
}

/// Levels up to `largest` behind their length in `body`; None when all of them are 0 and none is stored.
fn behind_length(largest: u16, body: &mut Body) -> io::Result<Levels> {
    if largest == 0 {
        return Ok(None);
    }
    let length = body.exactly(4)?;
    let length = length.iter().rev().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    levels(largest, body.exactly(length)?)
}

fn levels(largest: u16, bytes: Vec<u8>) -> io::Result<Levels> {
    match largest {
        0 => Ok(None),
        _ => Hybrid::new(Cursor::new(bytes), u16::BITS - largest.leading_zeros()).map(Some),
    }
}
