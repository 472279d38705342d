//! Search for `libdevice.10.bc`, NVIDIA's library of mathematical functions, without which CUDA kernels cannot be
//! compiled.

use std::path::{Path, PathBuf};

/// Folders of CUDA toolkits that are searched without `CUDA_PATH`: those of cubecl's CUDA backend, which reads the file.
#[cfg(feature = "cuda")]
const TOOLKITS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];

/// Path of the file within a toolkit.
const FILE: &str = "nvvm/libdevice/libdevice.10.bc";

/// Checks that the library is in the toolkit that the environment variable `CUDA_PATH` names, or else in a usual place.
///
/// # Errors
/// When it is missing; says where it was searched and what to do.
#[cfg(feature = "cuda")]
pub fn check() -> Result<(), String> {
    let toolkits = TOOLKITS.map(PathBuf::from);
    check_in(std::env::var_os("CUDA_PATH").map(PathBuf::from).as_deref(), &toolkits)
}

fn check_in(named: Option<&Path>, toolkits: &[PathBuf]) -> Result<(), String> {
    let advice = "install NVIDIA's CUDA toolkit (the part nvvm suffices) and set CUDA_PATH to its folder, or use \
        `--device cpu`";
    if let Some(named) = named {
        return match named.join(FILE).is_file() {
            true => Ok(()),
            false => Err(format!("the folder that CUDA_PATH names, {}, has no {FILE} -> {advice}", named.display())),
        };
    }
    // Only the first toolkit with this folder is read.
    let folder = |toolkit: &&PathBuf| toolkit.join("nvvm/libdevice").is_dir();
    if toolkits.iter().find(folder).is_some_and(|toolkit| toolkit.join(FILE).is_file()) {
        return Ok(());
    }
    let searched: Vec<String> = toolkits.iter().map(|toolkit| toolkit.display().to_string()).collect();
    Err(format!("{FILE} of a CUDA toolkit is missing, in {} -> {advice}", searched.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_named_toolkit_is_searched_alone_and_others_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        let [with, empty, without] = ["with", "empty", "without"].map(|name| folder.path().join(name));
        fs::create_dir_all(with.join("nvvm/libdevice")).expect("made");
        fs::write(with.join(FILE), "").expect("written");
        fs::create_dir_all(empty.join("nvvm/libdevice")).expect("made");
        let all = |toolkits: &[&PathBuf]| -> Vec<PathBuf> { toolkits.iter().map(|path| (*path).clone()).collect() };
        assert!(check_in(Some(&with), &[]).is_ok());
        assert!(check_in(None, &all(&[&without, &with])).is_ok());
        let named = check_in(Some(&without), &all(&[&with])).expect_err("missing");
        assert!(named.contains("CUDA_PATH names") && named.contains(" -> "), "{named}");
        for toolkits in [all(&[&without]), all(&[&empty, &with]), Vec::new()] {
            assert!(check_in(None, &toolkits).is_err(), "{toolkits:?}");
        }
    }
}
