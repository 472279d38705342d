//! Reader that fails after too many bytes of one record, so that a quote that is never closed does not fill the memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Largest accepted record in bytes, 64 MiB: TSV files hold whole images as base64.
pub(crate) const LARGEST_RECORD: u64 = 64 << 20;

/// Reader with an allowance of bytes, shared with [`Allowance`].
pub(super) struct Limited<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

/// Allowance of a [`Limited`] reader.
pub(super) struct Allowance(Rc<Cell<u64>>);

impl Allowance {
    /// Allows the next record its full size.
    pub(super) fn renew(&self) {
        self.0.set(LARGEST_RECORD);
    }
}

/// Wraps a reader.
pub(super) fn limited<R: Read>(inner: R) -> (Limited<R>, Allowance) {
    let left = Rc::new(Cell::new(LARGEST_RECORD));
    (Limited { inner, left: Rc::clone(&left) }, Allowance(left))
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let left = self.left.get().checked_sub(count as u64);
        let left = left.ok_or_else(|| io::Error::other(format!("a record is larger than {LARGEST_RECORD} bytes")))?;
        self.left.set(left);
        Ok(count)
    }
}
