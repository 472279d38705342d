//! Facts of a case, drawn before anything is placed or painted.
//!
//! Facts are independent of each other and close to uniform wherever the world allows, so that neither the wording of a
//! question nor the answer to another question gives an answer away. One case in five cannot be judged (`sufficient` is
//! false), one in five is normal; the rest is split evenly over the three distributions. With these shares, "no
//! finding" and "cannot tell" are as frequent as each of the three values of a feature.

use super::dice::Dice;

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum $name { $($variant),+ }
        impl $name {
            /// All values, in order.
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// Returns the name of the value, as questions and answers write it.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// Returns the names of all values, in order.
            pub(super) fn names() -> Vec<&'static str> {
                Self::ALL.iter().map(|value| value.name()).collect()
            }
        }
    };
}

named!(Modality { Xray = "X-ray", Ct = "CT", Mri = "MRI", Ultrasound = "ultrasound", Fundus = "fundus", Histology = "histology" });
named!(BodyPart { Head = "head", Chest = "chest", Abdomen = "abdomen", Pelvis = "pelvis" });
named!(Plane { Coronal = "coronal", Sagittal = "sagittal", Axial = "axial" });
named!(Eye { Disc = "disc", Macula = "macula" });
named!(Power { Low = "low", Medium = "medium", High = "high" });
named!(Quality { Clear = "clear", Noisy = "noisy", Striped = "striped", Dim = "dim", Blocked = "blocked" });
named!(Side { Left = "left", Right = "right" });
named!(Distribution { Single = "single", OneSide = "one side", BothSides = "both sides" });
named!(Quadrant { UpperLeft = "upper left", UpperRight = "upper right", LowerLeft = "lower left", LowerRight = "lower right" });
named!(Size { Small = "small", Medium = "medium", Large = "large" });
named!(Margin { Smooth = "smooth", Lobulated = "lobulated", Spiculated = "spiculated" });
named!(Intensity { Bright = "bright", Dark = "dark" });
named!(Pattern { Ring = "ring", Spots = "spots", Solid = "solid" });
named!(Sign { None = "none", Effusion = "effusion", Gas = "gas", Tear = "tear" });
named!(Device { None = "none", Tube = "tube", Clip = "clip", Implant = "implant" });
named!(Colour { Yellow = "yellow", Blue = "blue", Green = "green" });
named!(Relation { Left = "left", Right = "right", Above = "above", Below = "below" });

/// Subject of the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Section(BodyPart, Plane),
    Fundus(Eye),
    Histology(Power),
}

/// A pointing aid drawn over the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aid {
    None,
    /// Colours of three frames of equal size; the first frame holds the finding.
    Marks(Vec<Colour>),
    /// A cross; the relation is the direction from the cross to the single finding.
    Cross(Relation),
}

/// Findings of an abnormal case; all of them share these features.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) distribution: Distribution,
    pub(super) count: usize,
    /// Quadrant of a single finding. For several findings on one side only its left or right half counts; for findings
    /// on both sides it has no effect.
    pub(super) quadrant: Quadrant,
    pub(super) size: Size,
    pub(super) margin: Margin,
    pub(super) intensity: Intensity,
    pub(super) pattern: Pattern,
    pub(super) halo: bool,
}

/// All facts that questions are about, except measured positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) modality: Modality,
    /// Index (0 to 2) of the modality's look: its sequence, window or stain.
    pub(super) variant: usize,
    pub(super) subject: Subject,
    /// Whether left and right are swapped, so that the patient's right is on the image's right.
    pub(super) mirrored: bool,
    /// Image side of the side marker, which is on the patient's right; None where there is no marker.
    pub(super) marker: Option<Side>,
    /// Whether each of the subject's optional organs is present, in the order of the parts.
    pub(super) organs: [bool; 4],
    pub(super) quality: Quality,
    /// Whether the inside of the body can be seen at all.
    pub(super) sufficient: bool,
    /// Findings; None in a normal case and in a case that cannot be judged.
    pub(super) findings: Option<Findings>,
    pub(super) sign: Sign,
    pub(super) device: Device,
    pub(super) aid: Aid,
}

impl Facts {
    /// Draws the facts of a case, independently of each other as far as the world allows; the module describes their
    /// shares.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let modality = dice.pick(Modality::ALL);
        let subject = match modality {
            Modality::Fundus => Subject::Fundus(dice.pick(Eye::ALL)),
            Modality::Histology => Subject::Histology(dice.pick(Power::ALL)),
            // A projection image is taken from the front or from the side, never along the body.
            Modality::Xray => Subject::Section(dice.pick(BodyPart::ALL), dice.pick(&Plane::ALL[..2])),
            _ => Subject::Section(dice.pick(BodyPart::ALL), dice.pick(Plane::ALL)),
        };
        let marker = dice.pick(&[None, Some(Side::Left), Some(Side::Right)]);
        let mirrored = marker.map_or_else(|| dice.chance(0.5), |side| side == Side::Right);
        let organs = [0; 4].map(|_| dice.chance(0.5));
        let variant = dice.below(3);

        let kind = dice.below(5);
        let sufficient = kind != 4;
        let quality =
            if sufficient { dice.pick(&Quality::ALL[..4]) } else { dice.pick(&[Quality::Noisy, Quality::Blocked]) };
        let findings = (kind < 3).then(|| Findings::draw(Distribution::ALL[kind], dice));
        let (mut sign, mut aid) = (Sign::None, Aid::None);
        if let Some(findings) = &findings {
            sign = dice.pick(Sign::ALL);
            aid = Aid::draw(findings.distribution, dice);
        }
        let device = if sufficient { dice.pick(Device::ALL) } else { Device::None };
        Self { modality, variant, subject, mirrored, marker, organs, quality, sufficient, findings, sign, device, aid }
    }
}

impl Findings {
    fn draw(distribution: Distribution, dice: &mut Dice) -> Self {
        let size = dice.pick(Size::ALL);
        // The room for findings of this size limits the count.
        let count = match (distribution, size) {
            (Distribution::Single, _) => 1,
            (Distribution::OneSide, Size::Large) => 2,
            (Distribution::OneSide, _) => dice.pick(&[2, 3]),
            (Distribution::BothSides, Size::Large) => dice.pick(&[2, 3]),
            (Distribution::BothSides, _) => dice.pick(&[3, 4, 4, 4]),
        };
        Self {
            distribution,
            count,
            quadrant: dice.pick(Quadrant::ALL),
            size,
            margin: dice.pick(Margin::ALL),
            intensity: dice.pick(Intensity::ALL),
            pattern: dice.pick(Pattern::ALL),
            halo: dice.chance(0.5),
        }
    }
}

impl Aid {
    fn draw(distribution: Distribution, dice: &mut Dice) -> Self {
        let cross = Self::Cross(dice.pick(Relation::ALL));
        let mut colours = Colour::ALL.to_vec();
        dice.shuffle(&mut colours);
        match distribution {
            Distribution::Single if dice.chance(0.5) => Self::Marks(colours),
            Distribution::Single => cross,
            Distribution::OneSide | Distribution::BothSides => Self::None,
        }
    }
}
