//! Definition of kinds of condition: registry entry and perturbation in one place.

/// Defines the perturbation of a kind as a wrapper of its parameters: `Type(Parameters), "name", perturb`, where
/// `perturb` is a function of the parameters and the scene. Several kinds can share parameters this way.
macro_rules! wrapped_perturbation {
    ($kind:ident($parameters:ty), $name:literal, $perturb:expr) => {
        #[doc = concat!("Perturbation that conditions of the kind `", $name, "` apply; built from their parameters.")]
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

/// Defines a kind of condition without templates: `CONSTANT = Type(Parameters), "name", Purpose, "description",
/// perturb`.
macro_rules! plain_kind {
    ($constant:ident = $kind:ident($parameters:ty), $name:literal, $purpose:ident, $about:literal, $perturb:expr) => {
        #[doc = concat!("Entry in the registry of conditions, named in suite files as `", $name, "`: ", $about, ".")]
        pub const $constant: $crate::perturb::PerturbationKind =
            $crate::perturb::PerturbationKind::of::<$kind>($name, $crate::perturb::Purpose::$purpose, $about);

        $crate::perturb::support::registry::wrapped_perturbation!($kind($parameters), $name, $perturb);
    };
}

/// Defines a kind of condition whose sentences come from templates, like [`plain_kind`]. The calling file has a
/// constant `TEMPLATES_TOML`.
macro_rules! worded_kind {
    ($constant:ident = $kind:ident($parameters:ty), $name:literal, $purpose:ident, $about:literal, $perturb:expr) => {
        #[doc = concat!("Entry in the registry of conditions, named in suite files as `", $name, "`: ", $about, ".")]
        pub const $constant: $crate::perturb::PerturbationKind =
            $crate::perturb::PerturbationKind::of::<$kind>($name, $crate::perturb::Purpose::$purpose, $about)
                .worded(TEMPLATES_TOML);

        $crate::perturb::support::registry::wrapped_perturbation!($kind($parameters), $name, $perturb);
    };
}

pub(crate) use {plain_kind, worded_kind, wrapped_perturbation};
