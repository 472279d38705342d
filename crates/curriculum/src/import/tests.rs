#![allow(clippy::print_stderr)]
use super::*;
#[test]
fn dump() {
    for (name, to) in [("cxr", "/tmp/imp-cxr"), ("brain-mri", "/tmp/imp-mri"), ("bccd", "/tmp/imp-bccd")] {
        let _ = std::fs::remove_dir_all(to);
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
        match (importer(name).unwrap().run)(&src, Path::new(to), &ImportOptions { seed: 0 }) {
            Ok(r) => {
                eprintln!("{name} {} {} {}", r.cases, r.items, r.regions);
                for s in r.skipped {
                    eprintln!("  {s}");
                }
            }
            Err(e) => eprintln!("{name} {e}"),
        }
    }
}
