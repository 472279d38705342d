//! Differences between two recipes in the keys that decide the weights.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::Value;

use super::Recipe;

/// A key whose value differs between two recipes.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyChange {
    /// The key with its tables, such as `train.learning_rate` or `curriculum.phase[0].replay`.
    pub key: String,
    /// Earlier value, in TOML. None where the key had none.
    pub old: Option<String>,
    /// Present value, in TOML. None where the key has none.
    pub new: Option<String>,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
        write!(f, "`{}` was {} and is now {}", self.key, value(&self.old), value(&self.new))
    }
}

impl Recipe {
    /// Compares this recipe with an earlier one, given as the text that [`Recipe::to_toml`] wrote. Returns the keys
    /// whose values differ, in alphabetical order, without those that [`Recipe::digest`] leaves out; empty when all are
    /// equal. None when the text is no recipe of this version.
    #[must_use]
    pub fn changes_since(&self, earlier: &str) -> Option<Vec<KeyChange>> {
        let then = Self::parse(Path::new("recipe.resolved.toml"), earlier.to_owned(), &[]).ok()?;
        let (then, now) = (then.keys()?, self.keys()?);
        let mut keys: Vec<&String> = then.keys().chain(now.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let differing = keys.into_iter().filter(|key| then.get(*key) != now.get(*key));
        let written = |value: Option<&Value>| value.map(ToString::to_string);
        let change =
            |key: &String| KeyChange { key: key.clone(), old: written(then.get(key)), new: written(now.get(key)) };
        Some(differing.map(change).collect())
    }

    /// Keys that decide the weights, with their values.
    fn keys(&self) -> Option<BTreeMap<String, Value>> {
        let mut keys = BTreeMap::new();
        flatten(String::new(), Value::Table(self.decisive().to_toml().parse().ok()?), &mut keys);
        Some(keys)
    }
}

/// Adds every value below `value`, a table or a list of tables, under its whole key.
fn flatten(key: String, value: Value, keys: &mut BTreeMap<String, Value>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name } else { format!("{key}.{name}") };
                flatten(key, value, keys);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_table) => {
            for (index, element) in elements.into_iter().enumerate() {
                flatten(format!("{key}[{index}]"), element, keys);
            }
        }
        value => {
            keys.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: &str = "model_name_or_path = \"m\"\ndata.dataset = [\"a\", \"b\"]\n\
        [[curriculum.phase]]\nstages = [1]\nreplay = 0.0\n[[curriculum.phase]]\nstages = [2]\n";

    fn changes(overrides: &[&str]) -> Vec<String> {
        let parse = |overrides: &[&str]| {
            let overrides: Vec<String> = overrides.iter().map(|written| (*written).to_owned()).collect();
            Recipe::parse(Path::new("r.toml"), PHASES.to_owned(), &overrides).expect("valid")
        };
        let earlier = parse(&[]).to_toml();
        let changes = parse(overrides).changes_since(&earlier).expect("a recipe");
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_changed_key_is_named_with_its_values() {
        assert_eq!(changes(&["seed=7"]), ["`seed` was 42 and is now 7"]);
        assert_eq!(changes(&["train.max_steps=3"]), ["`train.max_steps` was not set and is now 3"]);
        assert_eq!(
            changes(&["data.dataset=b", "benchmark.suite=full"]),
            [
                "`benchmark.suite` was \"fast\" and is now \"full\"",
                "`data.dataset` was [\"a\", \"b\"] and is now \"b\""
            ]
        );
        let [order] = &changes(&["curriculum.phase=[{stages=[1]}, {stages=[2], replay=0.5}]"])[..] else {
            panic!("one")
        };
        assert_eq!(order, "`curriculum.phase[1].replay` was 0.0 and is now 0.5");
    }

    #[test]
    fn keys_that_do_not_decide_the_weights_may_change() {
        let free =
            ["output_dir=elsewhere", "train.save_steps=7", "train.on_nonfinite=skip", "train.feature_cache_gb=0.5"];
        assert!(changes(&free).is_empty());
        let recipe = Recipe::parse(Path::new("r.toml"), PHASES.to_owned(), &[]).expect("valid");
        assert_eq!(recipe.changes_since("no_such_key = 1"), None);
    }
}
