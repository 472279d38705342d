//! Adversarial attacks on the pixels, made with gradients of a model, and their random control.

pub mod fgsm;
pub mod linf;
pub mod pgd;
pub mod random_sign;
pub mod white_box;
