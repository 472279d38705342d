#![doc = include_str!("../README.md")]

pub mod optim;

pub mod evaluation;

pub mod batches;

pub mod parameters;
pub mod preflight;

pub mod cases;
pub mod checkpoint;
pub mod claim;
pub mod device;
pub mod environment;
pub mod frozen;
pub mod image_settings;
pub mod inputs;
pub mod interrupt;
pub mod learner;
pub mod log;
pub mod objective;
pub mod progress;
pub mod recipe_to_model;
pub mod selection;
pub mod standings;
pub mod thumbnails;
pub mod train;
pub mod trained;
