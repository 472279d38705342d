//! Attack conditions of suites.

/// Tables of attack conditions of a suite file as a string literal, in the order given: any of `fgsm`, `transfer` and
/// `random_sign`, each with its kind as its id and an `eps` of 4 levels of 255. `transfer` takes two steps from one start.
/// `random_sign` is the control of the others, so a suite with them needs it as well.
#[macro_export]
macro_rules! attacks {
    (@head $kind:ident) => {
        concat!("\n[[condition]]\nid = \"", stringify!($kind), "\"\nkind = \"", stringify!($kind), "\"\neps = 4\n")
    };
    (@table fgsm) => { concat!($crate::attacks!(@head fgsm), "control = \"random_sign\"\n") };
    (@table transfer) => {
        concat!($crate::attacks!(@head transfer), "steps = 2\nrestarts = 1\ncontrol = \"random_sign\"\n")
    };
    (@table random_sign) => { $crate::attacks!(@head random_sign) };
    ($($kind:ident),+) => { concat!($($crate::attacks!(@table $kind)),+) };
}
