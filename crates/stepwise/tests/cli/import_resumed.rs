//! `stepwise data import` that is killed while it writes images.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use stepwise_testing::files::assert_same_files;

use crate::common::Workplace;

/// Number of images of the source.
const IMAGES: usize = 80;

fn line(out: &str) -> String {
    format!("data import table drawn/t.csv {out} --image file --question q --answer a --rest 25")
}

#[test]
fn a_killed_import_goes_on_and_ends_in_the_same_files() {
    let place = Workplace::empty();
    place.done(&format!("data synth drawn --cases {IMAGES} --seed 1 --image-size 64"));
    let rows = (0..IMAGES).map(|number| format!("images/synth-1-{number:06}.png,What is number {number}?,CT\n"));
    place.write("drawn/t.csv", format!("file,q,a\n{}", rows.collect::<String>()));
    place.done(&line("whole"));
    let mut killed = false;
    for wanted in [30, 20, 10, 5, 1] {
        let _ = fs::remove_dir_all(place.path("out"));
        let line = line("out");
        let args: Vec<&str> = line.split_whitespace().collect();
        let mut import =
            place.command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts");
        let written = || fs::read_dir(place.path("out/images")).map_or(0, Iterator::count);
        while import.try_wait().expect("waits").is_none() && written() < wanted {
            std::thread::sleep(Duration::from_millis(1));
        }
        import.kill().expect("ends");
        import.wait().expect("ends");
        killed = !place.path("out/cases.jsonl").exists();
        if killed {
            break;
        }
    }
    assert!(killed, "the import ended before it was killed");
    let other = place.refused(&format!("{} --seed 3", line("out")));
    assert!(other.contains("holds an interrupted import of other data or options"), "{other}");
    place.done(&line("out"));
    assert_same_files(&place.path("whole"), &place.path("out"));
}
