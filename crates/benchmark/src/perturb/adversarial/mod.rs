//! TODO-HEAD

pub mod fgsm;
pub mod linf;
pub mod pgd;
pub mod random_sign;
pub mod white_box;
