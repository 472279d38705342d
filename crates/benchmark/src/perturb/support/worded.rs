//! Kinds of condition whose words come from a template file: registry entry and perturbation in one definition.

use stepwise_data::prompt::{InsertedText, Place, PromptOptions};

use crate::perturb::{Named, Perturbed};

/// Defines a kind of condition with templates: `CONSTANT = Type(Parameters), "name", Purpose, "description", perturb`.
///
/// `perturb` is a function of the parameters and the scene. The calling file has a constant `TEMPLATES_TOML`.
macro_rules! worded_kind {
    ($constant:ident = $kind:ident($parameters:ty), $name:literal, $purpose:ident, $about:literal, $perturb:expr) => {
        #[doc = concat!("Registry entry of `", $name, "`.")]
        pub const $constant: $crate::perturb::PerturbationKind =
            $crate::perturb::PerturbationKind::of::<$kind>($name, $crate::perturb::Purpose::$purpose, $about)
                .worded(TEMPLATES_TOML);

        #[doc = concat!("Perturbation `", $name, "`.")]
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $kind($parameters);

        impl $crate::perturb::Perturbation for $kind {
            fn perturb(
                &self,
                scene: &$crate::perturb::Scene<'_>,
            ) -> Result<$crate::perturb::Perturbed, $crate::perturb::Skip> {
                let perturb: fn(&$parameters, &$crate::perturb::Scene<'_>) -> Result<_, _> = $perturb;
                perturb(&self.0, scene)
            }
        }
    };
}

pub(crate) use worded_kind;

/// The question with `text` added at `place`; `named` is the answer that the text names, if any.
pub fn inserted(place: Place, text: String, named: Option<Named>) -> Perturbed {
    let frame = PromptOptions { inserts: vec![InsertedText { place, text }], ..PromptOptions::default() };
    Perturbed { frame, named, ..Perturbed::default() }
}
