//! Decoded pictures compared with the reference decoders.

mod jpeg_parity;
mod png_kinds;
