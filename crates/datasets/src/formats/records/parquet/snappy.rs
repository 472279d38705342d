//! Decompression of one raw Snappy block as a stream, so that a page of many images needs no memory of its size.

use std::io::{self, Read};

use super::thrift::varint;

/// Farthest that a copy may reach back, in bytes. Writers compress blocks of 64 KiB, so their copies reach less far.
const WINDOW: usize = 1 << 20;

/// Longest part of a literal that is read at once, in bytes.
const STEP: usize = 1 << 16;

/// Reader of the decompressed bytes of a block.
pub(super) struct Snappy<R> {
    inner: R,
    /// Last bytes written, of which the part before `next` is handed out already.
    recent: Vec<u8>,
    next: usize,
    /// Bytes of the literal that are not read yet.
    literal: usize,
    /// Decompressed bytes that are not made yet; None before the block's head is read.
    left: Option<u64>,
}

impl<R: Read> Snappy<R> {
    /// Decompresses the block that `inner` holds.
    pub(super) fn new(inner: R) -> Self {
        Self { inner, recent: Vec::new(), next: 0, literal: 0, left: None }
    }

    /// Makes more bytes; none at the end of the block.
    fn fill(&mut self) -> io::Result<()> {
        let left = match self.left {
            Some(left) => left,
            None => varint(&mut self.inner)?,
        };
        self.left = Some(left);
        if left == 0 {
            return Ok(());
        }
        if self.recent.len() > 2 * WINDOW {
            let gone = self.recent.len() - WINDOW;
            self.recent.drain(..gone);
            self.next -= gone;
        }
        let before = self.recent.len();
        if self.literal > 0 {
            let step = self.literal.min(STEP);
            self.recent.resize(before + step, 0);
            self.inner.read_exact(&mut self.recent[before..])?;
            self.literal -= step;
        } else {
            self.element()?;
        }
        let made = (self.recent.len() - before) as u64;
        self.left = Some(left.checked_sub(made).ok_or_else(|| damaged("is longer than it states"))?);
        Ok(())
    }

    /// Reads the head of an element, and makes the bytes of a copy.
    fn element(&mut self) -> io::Result<()> {
        let tag = self.number(1)?;
        let (length, offset) = match tag & 3 {
            0 => {
                self.literal = match tag >> 2 {
                    short @ 0..60 => short + 1,
                    long => self.number(long - 59)?.checked_add(1).ok_or_else(|| damaged("has a vast literal"))?,
                };
                return Ok(());
            }
            1 => (4 + ((tag >> 2) & 7), ((tag >> 5) << 8) | self.number(1)?),
            2 => ((tag >> 2) + 1, self.number(2)?),
            _ => ((tag >> 2) + 1, self.number(4)?),
        };
        let from = self.recent.len().checked_sub(offset).filter(|_| offset > 0);
        let from = from.ok_or_else(|| damaged("copies from before its window"))?;
        for place in from..from + length {
            self.recent.push(self.recent[place]);
        }
        Ok(())
    }

    /// Reads a number of `count` bytes, lowest first.
    fn number(&mut self, count: usize) -> io::Result<usize> {
        let mut bytes = [0; 8];
        self.inner.read_exact(&mut bytes[..count])?;
        usize::try_from(u64::from_le_bytes(bytes)).map_err(|_| damaged("has a number out of range"))
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a Snappy block {what}"))
}

impl<R: Read> Read for Snappy<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.next == self.recent.len() {
            self.fill()?;
            if self.left == Some(0) && self.next == self.recent.len() {
                return Ok(0);
            }
        }
        let count = buffer.len().min(self.recent.len() - self.next);
        buffer[..count].copy_from_slice(&self.recent[self.next..self.next + count]);
        self.next += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        Snappy::new(bytes).read_to_end(&mut all).map(|_| all)
    }

    #[test]
    fn literals_and_overlapping_copies_are_read() {
        // "ab", then a copy of 6 from 2 back, then one of 4 from 8 back.
        let bytes = [12, 4, b'a', b'b', 0b0001_0110, 2, 0, 0b0000_0001, 8];
        assert_eq!(unpacked(&bytes[..]).expect("reads"), b"abababababab");
        assert_eq!(unpacked(&[0]).expect("reads"), b"");
    }

    #[test]
    fn long_literals_cross_the_window() {
        let long: Vec<u8> = (0..3 * WINDOW).map(|place| (place * 7 % 251) as u8).collect();
        let mut bytes = vec![0x80, 0x80, 0xC0, 0x01, 62 << 2];
        bytes.extend(&((long.len() - 1) as u32).to_le_bytes()[..3]);
        bytes.extend(&long);
        assert_eq!(unpacked(&bytes).expect("reads"), long);
    }

    #[test]
    fn damaged_blocks_are_refused() {
        for bytes in
            [&[12, 4, b'a'][..], &[5, 0b0001_0110, 2, 0], &[1, 4, b'a', b'b'], &[9, 0, b'a', 0b0001_0110, 0, 0]]
        {
            assert!(unpacked(bytes).is_err(), "{bytes:?}");
        }
    }
}
