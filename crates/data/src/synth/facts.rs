//! What is true of a case, drawn before anything is placed or drawn.
//!
//! Facts are independent of each other and close to uniform wherever the world allows it, so that neither a question's
//! wording nor another answer gives an answer away. One case in five cannot be judged (`sufficient` is false), one in
//! five is normal; the rest is split evenly over the three distributions. With that, "no finding" and "cannot tell" are
//! as frequent as each of the three values of a feature.

use super::dice::Dice;

macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum $name { $($variant),+ }
        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
            /// Every name, in order.
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

/// What is pictured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Section(BodyPart, Plane),
    Fundus(Eye),
    Histology(Power),
}

/// Something drawn over the picture to point with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aid {
    None,
    /// Three frames of one size; the first holds the finding.
    Marks(Vec<Colour>),
    /// A cross; the single finding lies this way of it.
    Cross(Relation),
}

/// The findings of an abnormal case; all of them look alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Findings {
    pub(super) distribution: Distribution,
    pub(super) count: usize,
    /// Where a single one is; where several on one side are, its left or right half.
    pub(super) quadrant: Quadrant,
    pub(super) size: Size,
    pub(super) margin: Margin,
    pub(super) intensity: Intensity,
    pub(super) pattern: Pattern,
    pub(super) halo: bool,
}

/// Everything that questions ask about, but for measured places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) modality: Modality,
    /// Which of the modality's three looks (sequence, window, stain).
    pub(super) variant: usize,
    pub(super) subject: Subject,
    /// Left and right swapped, so that the patient's right is on the image's right.
    pub(super) mirrored: bool,
    /// The side marker stands on the patient's right.
    pub(super) marker: Option<Side>,
    /// For each of the subject's optional organs, whether it is there.
    pub(super) organs: [bool; 4],
    pub(super) quality: Quality,
    /// Whether the body's inside can be seen at all.
    pub(super) sufficient: bool,
    /// None in a normal case and in one that cannot be judged.
    pub(super) findings: Option<Findings>,
    pub(super) sign: Sign,
    pub(super) device: Device,
    pub(super) aid: Aid,
}

impl Facts {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let modality = dice.pick(Modality::ALL);
        let subject = match modality {
            Modality::Fundus => Subject::Fundus(dice.pick(Eye::ALL)),
            Modality::Histology => Subject::Histology(dice.pick(Power::ALL)),
            // A projection is seen from the front or from the side, never along the body.
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
        // As many as there is room for.
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
