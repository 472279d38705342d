#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| drop(stepwise_fuzzed::data_set(data)));
