//! Families of attacks. Attacks that are variants of one another form a family, so that a suite with twenty levels of
//! noise and one hint is not mostly about noise.

use super::outcome_table::OutcomeTable;
use crate::perturb::Purpose;
use crate::suite::Condition;

/// Families with their kinds of attack. A kind that is not listed is a family of its own.
const FAMILIES: &[(&str, &[&str])] = &[
    ("rebuttal", &["rebuttal_doubt", "rebuttal_wrong"]),
    ("negation", &["negated_twin", "negation"]),
    ("wording", &["paraphrase", "reworded"]),
    ("hedge", &["hedge_low", "hedge_high"]),
    ("false cue", &["cue_wrong", "cue_text_wrong"]),
    ("noise", &["gaussian_noise", "shot_noise", "speckle_noise", "salt_pepper"]),
    ("blur", &["gaussian_blur", "motion_blur", "defocus_blur"]),
    ("resolution", &["jpeg", "pixelate", "resize"]),
    ("tone", &["brightness", "contrast", "gamma"]),
    (
        "artefact",
        &[
            "window_shift",
            "exposure",
            "grid_lines",
            "scatter",
            "metal_streak",
            "beam_hardening",
            "bias_field",
            "ghost",
            "acoustic_shadow",
            "stain_shift",
            "specular",
        ],
    ),
    ("gradient", &["fgsm", "pgd", "transfer"]),
];

/// Returns the name of the family of the kind of condition `kind`, such as `noise` for `shot_noise`; `kind` itself
/// where it belongs to no listed family.
#[must_use]
pub fn family(kind: &'static str) -> &'static str {
    FAMILIES.iter().find(|(_, kinds)| kinds.contains(&kind)).map_or(kind, |(family, _)| family)
}

/// Returns one attack of every family, as indices of conditions in the suite, in the order in which the families first
/// occur there. Within a family, an attack that a primary endpoint is about comes first, then the one whose level is
/// nearest to 3 of 5 (no level counts as 3), then the first in the suite. Empty where the suite has no attack.
#[must_use]
pub fn representatives(table: &OutcomeTable<'_>) -> Vec<usize> {
    let mut chosen: Vec<(&str, usize)> = Vec::new();
    let rank = |(number, condition): (usize, &Condition)| {
        let from_middle = condition.number("level").map_or(0, |level| (level - 3.0).abs() as u32);
        (!table.suite.claims(&condition.id), from_middle, number)
    };
    for (c, condition) in attacks(table) {
        let family = family(condition.kind);
        match chosen.iter_mut().find(|(known, _)| *known == family) {
            None => chosen.push((family, c)),
            Some((_, best)) if rank((c, condition)) < rank((*best, &table.suite.conditions[*best])) => *best = c,
            Some(_) => {}
        }
    }
    chosen.into_iter().map(|(_, c)| c).collect()
}

/// Iterates over the conditions of the suite whose purpose is attack, each with its index in the suite.
pub fn attacks<'a>(table: &OutcomeTable<'a>) -> impl Iterator<Item = (usize, &'a Condition)> + use<'a> {
    table.conditions().filter(|(_, condition)| condition.purpose == Purpose::Attack)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Crossing;
    use crate::perturb;
    use crate::suite::Suite;

    #[test]
    fn every_kind_of_a_family_is_a_registered_attack() {
        for name in FAMILIES.iter().flat_map(|(_, kinds)| *kinds) {
            let kind = perturb::kinds::kind(name).unwrap_or_else(|| panic!("{name} is not registered"));
            assert_eq!(kind.purpose, Purpose::Attack, "{name}");
        }
    }

    #[test]
    fn a_family_is_spoken_for_by_its_primary_then_its_middle_then_its_first() {
        let mut text = "name = \"s\"\nversion = 1\nseed = 1\nprimary = [\"pgd_4\"]\n".to_owned();
        for (id, rest) in [
            ("clean", "kind = \"clean\""),
            ("hint_patient", "kind = \"hint_minus\"\npersona = \"patient\""),
            ("hint", "kind = \"hint_minus\""),
            ("noise_1", "kind = \"gaussian_noise\"\nlevel = 1"),
            ("noise_4", "kind = \"gaussian_noise\"\nlevel = 4"),
            ("noise_2", "kind = \"gaussian_noise\"\nlevel = 2"),
            ("transfer", "kind = \"transfer\"\neps = 4"),
            ("fgsm", "kind = \"fgsm\"\neps = 4"),
            ("pgd_4", "kind = \"pgd\"\neps = 4"),
            ("blank", "kind = \"blank\""),
        ] {
            text.push_str(&format!("[[condition]]\nid = \"{id}\"\n{rest}\n"));
        }
        let suite = Suite::parse(&text, "s.toml".as_ref()).expect("valid");
        let table = OutcomeTable::new(&suite, &Crossing::default(), []);
        let ids: Vec<&str> = representatives(&table).iter().map(|&c| suite.conditions[c].id.as_str()).collect();
        assert_eq!(ids, ["hint_patient", "noise_4", "pgd_4"]);
    }
}
