//! `lkdb_fuzz::orc` for cargo-fuzz.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lkdb_fuzz::orc(data));
