//! Units of the coordinates of boxes in answers. A model answers best in the unit that its family was trained with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Unit of box coordinates in prompts and answers, counted from the left and the upper edge of the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BoxFormat {
    /// Whole percents of the image's sides, 0 to 100.
    #[default]
    Percent,
    /// Whole thousandths of the image's sides, 0 to 1000 (Qwen2-VL, Qwen3-VL, InternVL).
    PerMille,
    /// Whole pixels of the image as the model's processor resizes it (Qwen2.5-VL).
    Pixels,
}

impl BoxFormat {
    /// All units.
    pub const ALL: [Self; 3] = [Self::Percent, Self::PerMille, Self::Pixels];

    /// Returns the name of the unit in recipes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::PerMille => "per_mille",
            Self::Pixels => "pixels",
        }
    }

    /// Returns the words with which a prompt names the unit.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Percent => "in percent",
            Self::PerMille => "from 0 to 1000",
            Self::Pixels => "in pixels",
        }
    }

    /// Returns whether the unit is percent, the unit of records that name none.
    #[must_use]
    pub fn is_percent(&self) -> bool {
        *self == Self::Percent
    }
}

impl fmt::Display for BoxFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BoxFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| format!("`{name}` is no unit of boxes"))
    }
}
