//! The crates of the workspace and what they use, as cargo knows them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::error::Error;

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Member {
    /// Name without the prefix `stepwise-`.
    pub name: String,
    /// Description in `Cargo.toml`.
    pub description: String,
    /// Crates of the workspace that the crate uses; what only its tests use is left out.
    pub uses: BTreeSet<String>,
    /// Whether the crate itself depends on Burn.
    pub burn: bool,
}

/// All crates of the workspace, in alphabetical order.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// The crates, ordered by name.
    pub members: Vec<Member>,
}

impl Workspace {
    /// Runs `cargo metadata` in the folder `root`, without network access.
    ///
    /// # Errors
    /// When cargo cannot be run or fails, or a crate has no description.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
            .current_dir(root)
            .output()
            .map_err(|error| Error::Metadata(error.to_string()))?;
        let metadata: Value =
            serde_json::from_slice(&output.stdout).map_err(|error| Error::Metadata(error.to_string()))?;
        let packages = metadata["packages"].as_array().ok_or_else(|| Error::Metadata("no packages".to_owned()))?;
        let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
        let mut members = packages.iter().map(|package| member(package, &names)).collect::<Result<Vec<_>, _>>()?;
        members.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { members })
    }

    /// Returns the crate with this name, without the prefix `stepwise-`; None where the workspace has none.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// Returns whether `from` reaches the crate named `to` over at least one other crate.
    #[must_use]
    pub fn reaches_indirectly(&self, from: &Member, to: &str) -> bool {
        let through = from.uses.iter().filter(|name| *name != to).filter_map(|name| self.member(name));
        through.into_iter().any(|between| between.uses.contains(to) || self.reaches_indirectly(between, to))
    }

    /// Returns whether the crate needs Burn, itself or through a crate that it uses.
    #[must_use]
    pub fn has_tensors(&self, member: &Member) -> bool {
        member.burn || member.uses.iter().filter_map(|name| self.member(name)).any(|used| self.has_tensors(used))
    }
}

fn member(package: &Value, names: &BTreeSet<&str>) -> Result<Member, Error> {
    let name = package["name"].as_str().unwrap_or_default();
    let description = package["description"].as_str().ok_or_else(|| {
        Error::Picture(format!("the crate `{name}` has no description -> add `description` to its Cargo.toml"))
    })?;
    let dependencies = package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    // `kind` is null for what the crate itself uses, `dev` for its tests.
    let used = || dependencies.iter().filter(|used| used["kind"].is_null()).filter_map(|used| used["name"].as_str());
    Ok(Member {
        name: short(name).to_owned(),
        description: description.to_owned(),
        uses: used().filter(|name| names.contains(name)).map(|name| short(name).to_owned()).collect(),
        burn: used().any(|name| name == "burn"),
    })
}

/// Name of a crate without the prefix that all have.
fn short(name: &str) -> &str {
    name.strip_prefix("stepwise-").unwrap_or(name)
}
