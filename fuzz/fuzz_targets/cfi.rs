//! `lkdb_fuzz::cfi` for cargo-fuzz.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lkdb_fuzz::cfi(data));
