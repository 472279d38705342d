//! TensorBoard event files.
//!
//! The record framing and the protobuf types are from tensorboard-rs. The writer of that crate is not used because its
//! thread panics when a write fails.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use protobuf::{Message, RepeatedField};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::summary::{Summary, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::{TensorShapeProto, TensorShapeProto_Dim};
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;

use super::append::Appender;

/// An open event file.
pub struct Events {
    file: Appender,
}

impl Events {
    /// Creates a new event file in `folder`, which is created. After a resume from step `resumed`, TensorBoard ignores
    /// later steps of the older files. If None, the older event files of the folder are removed, because they belong to
    /// another run.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(folder: &Path, resumed: Option<u64>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        if resumed.is_none() {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        let (path, file) = (0..)
            .map(|number| folder.join(format!("{PREFIX}{:010}.{number}.stepwise", now() as u64)))
            .map(|path| (OpenOptions::new().write(true).create_new(true).open(&path), path))
            .find(|(opened, _)| !matches!(opened, Err(error) if error.kind() == io::ErrorKind::AlreadyExists))
            .map(|(opened, path)| (path, opened))
            .ok_or_else(|| io::Error::from(io::ErrorKind::AlreadyExists))?;
        let mut events = Self { file: Appender::new(file.map_err(|error| named(&path, error))?, 0) };

        let mut version = Event::new();
        version.set_file_version("brain.Event:2".into());
        events.push(version, 0);
        if let Some(step) = resumed {
            let mut session = SessionLog::new();
            session.set_status(SessionLog_SessionStatus::START);
            let mut restart = Event::new();
            restart.set_session_log(session);
            events.push(restart, step + 1);
        }
        Ok(events)
    }

    /// Adds the value of the scalar `tag` at `step`, which is written by the next [`Events::flush`].
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) {
        self.summary(tensorboard_rs::summary::scalar(tag, value as f32), step);
    }

    /// Adds Markdown under `tag` for TensorBoard's text page, which is written by the next [`Events::flush`].
    pub fn text(&mut self, tag: &str, step: u64, markdown: &str) {
        let mut plugin = SummaryMetadata_PluginData::new();
        plugin.set_plugin_name("text".into());
        let mut metadata = SummaryMetadata::new();
        metadata.set_plugin_data(plugin);

        let mut dimension = TensorShapeProto_Dim::new();
        dimension.set_size(1);
        let mut shape = TensorShapeProto::new();
        shape.set_dim(RepeatedField::from_vec(vec![dimension]));
        let mut tensor = TensorProto::new();
        tensor.set_dtype(DataType::DT_STRING);
        tensor.set_tensor_shape(shape);
        tensor.set_string_val(RepeatedField::from_vec(vec![markdown.as_bytes().to_vec()]));

        let mut value = Summary_Value::new();
        value.set_tag(tag.into());
        value.set_metadata(metadata);
        value.set_tensor(tensor);
        let mut summary = Summary::new();
        summary.set_value(RepeatedField::from_vec(vec![value]));
        self.summary(summary, step);
    }

    /// Writes all added events. Returns the error of a failed write, but None if the previous flush failed as well;
    /// unwritten events are kept for the next flush.
    pub fn flush(&mut self) -> Option<io::Error> {
        self.file.flush()
    }

    fn summary(&mut self, summary: Summary, step: u64) {
        let mut event = Event::new();
        event.set_summary(summary);
        self.push(event, step);
    }

    fn push(&mut self, mut event: Event, step: u64) {
        event.set_wall_time(now());
        event.set_step(i64::try_from(step).unwrap_or(i64::MAX));
        let mut record = Vec::new();
        // Both write to memory and do not fail.
        if let Ok(bytes) = event.write_to_bytes()
            && RecordWriter::new(&mut record).write(&bytes).is_ok()
        {
            self.file.push(&record);
        }
    }
}

/// Prefix of event file names. TensorBoard reads every file with `tfevents` in its name.
const PREFIX: &str = "events.out.tfevents.";

/// Unix time in seconds.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C by its definition (Castagnoli, reflected), masked like in TensorFlow; independent of
    /// the writer's implementation.
    fn masked_crc32c(bytes: &[u8]) -> u32 {
        let crc = !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 })
        });
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    }

    /// All events of all files in a folder; framing and checksums are verified.
    fn decoded(folder: &Path) -> Vec<Event> {
        let mut paths: Vec<_> =
            fs::read_dir(folder).expect("there").map(|entry| entry.expect("there").path()).collect();
        paths.sort();
        let mut events = Vec::new();
        for path in paths {
            let bytes = fs::read(path).expect("there");
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four"));
                let length = u64::from_le_bytes(rest[..8].try_into().expect("eight")) as usize;
                assert_eq!(number(8), masked_crc32c(&rest[..8]));
                assert_eq!(number(12 + length), masked_crc32c(&rest[12..12 + length]));
                events.push(Event::parse_from_bytes(&rest[12..12 + length]).expect("an event"));
                rest = &rest[16 + length..];
            }
        }
        events
    }

    #[test]
    fn the_checksum_is_crc32c() {
        // The check value of CRC-32C is 0xe3069283.
        assert_eq!(masked_crc32c(b"123456789"), 0xe306_9283_u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn written_events_are_decoded_again() {
        let folder = tempfile::tempdir().expect("writable");
        let mut events = Events::open(folder.path(), None).expect("writable");
        events.scalar("train/loss", 7, 1.25);
        events.text("recipe", 0, "`seed` 42");
        assert!(events.flush().is_none());
        let decoded = decoded(folder.path());
        assert_eq!(decoded.len(), 3);
        assert_eq!(decoded[0].get_file_version(), "brain.Event:2");
        let scalar = &decoded[1].get_summary().get_value()[0];
        assert_eq!((decoded[1].get_step(), scalar.get_tag(), scalar.get_simple_value()), (7, "train/loss", 1.25));
        let text = &decoded[2].get_summary().get_value()[0];
        assert_eq!(text.get_metadata().get_plugin_data().get_plugin_name(), "text");
        assert_eq!(text.get_tensor().get_string_val()[0], b"`seed` 42");
        assert!(decoded.iter().all(|event| event.get_wall_time() > 1.6e9));
    }

    #[test]
    fn a_resumed_run_is_marked_and_a_new_run_starts_empty() {
        let folder = tempfile::tempdir().expect("writable");
        let write = |resumed, step| {
            let mut events = Events::open(folder.path(), resumed).expect("writable");
            events.scalar("loss", step, 1.0);
            assert!(events.flush().is_none());
        };
        write(None, 5);
        write(Some(3), 4);
        let resumed = decoded(folder.path());
        assert_eq!(resumed.iter().map(Event::get_step).collect::<Vec<_>>(), [0, 5, 0, 4, 4]);
        assert_eq!(resumed[3].get_session_log().get_status(), SessionLog_SessionStatus::START);
        write(None, 1);
        assert_eq!(decoded(folder.path()).len(), 2);
    }

    #[test]
    fn file_names_hold_no_host_name() {
        let folder = tempfile::tempdir().expect("writable");
        Events::open(folder.path(), None).expect("writable");
        let name = fs::read_dir(folder.path()).expect("there").next().expect("one").expect("there").file_name();
        let name = name.to_string_lossy().into_owned();
        let rest = name.strip_prefix(PREFIX).expect("TensorBoard looks for it");
        assert!(rest.split('.').all(|part| part == "stepwise" || part.bytes().all(|b| b.is_ascii_digit())), "{name}");
    }
}
