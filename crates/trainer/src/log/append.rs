//! Append-only file of whole records that tolerates a full disk.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// Largest size in bytes of records waiting to be written (4 MiB); further records are dropped.
const HELD_BACK: usize = 4 << 20;

/// Target of the appended records.
pub(super) trait Target: Write + Seek + Send {
    /// Truncates the target to `length` bytes.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Target for File {
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// Writer that appends whole records. Records that cannot be written now are kept and written later.
pub(super) struct Appender {
    target: Box<dyn Target>,
    /// Bytes that were written successfully.
    length: u64,
    pending: Vec<u8>,
    failing: bool,
}

impl Appender {
    /// Creates a writer for `target`, which has `length` bytes.
    pub fn new(target: impl Target + 'static, length: u64) -> Self {
        Self { target: Box::new(target), length, pending: Vec::new(), failing: false }
    }

    /// Adds a record, which is written by the next [`Appender::flush`].
    pub fn push(&mut self, record: &[u8]) {
        if self.pending.len() + record.len() <= HELD_BACK {
            self.pending.extend_from_slice(record);
        }
    }

    /// Writes all added records. Returns the error of a failed write, but None if the previous flush failed as well;
    /// unwritten records are kept.
    pub fn flush(&mut self) -> Option<io::Error> {
        match self.write() {
            Ok(()) => {
                self.failing = false;
                None
            }
            Err(error) => (!std::mem::replace(&mut self.failing, true)).then_some(error),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.failing {
            // The failed write may have left a partial record.
            self.target.cut(self.length)?;
        }
        self.target.seek(SeekFrom::Start(self.length))?;
        self.target.write_all(&self.pending)?;
        self.target.flush()?;
        self.length += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A disk with its content and its capacity in bytes.
    #[derive(Clone)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (content, room) = &mut *self.0.lock().expect("not poisoned");
            let count = bytes.len().min(*room - content.len());
            content.extend_from_slice(&bytes[..count]);
            if count == 0 && !bytes.is_empty() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for Disk {
        fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
            Ok(self.0.lock().expect("not poisoned").0.len() as u64)
        }
    }

    impl Target for Disk {
        fn cut(&mut self, length: u64) -> io::Result<()> {
            self.0.lock().expect("not poisoned").0.truncate(length as usize);
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_reported_once_and_no_record_is_lost() {
        let disk = Disk(Arc::new(Mutex::new((Vec::new(), 10))));
        let mut file = Appender::new(disk.clone(), 0);
        let mut append = |record: &str| {
            file.push(record.as_bytes());
            file.flush()
        };
        assert!(append("first\n").is_none());
        assert_eq!(append("second\n").expect("full").kind(), io::ErrorKind::StorageFull);
        assert!(append("third\n").is_none(), "reported once");
        disk.0.lock().expect("not poisoned").1 = 100;
        assert!(append("fourth\n").is_none());
        assert_eq!(disk.0.lock().expect("not poisoned").0, b"first\nsecond\nthird\nfourth\n");
        disk.0.lock().expect("not poisoned").1 = 30;
        assert!(append("fifth\n").is_some(), "a new failure is reported again");
    }

    #[test]
    fn records_waiting_for_a_full_disk_are_bounded() {
        let mut file = Appender::new(Disk(Arc::new(Mutex::new((Vec::new(), 0)))), 0);
        for _ in 0..10 {
            file.push(&vec![b'x'; HELD_BACK / 4]);
            let _ = file.flush();
        }
        assert_eq!(file.pending.len(), HELD_BACK);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_reported_without_a_panic() {
        let device = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let mut file = Appender::new(device, 0);
        file.push(b"x");
        assert_eq!(file.flush().expect("full").raw_os_error(), Some(28));
        file.push(b"x");
        assert!(file.flush().is_none());
    }
}
