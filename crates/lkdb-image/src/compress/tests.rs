//! Every compression there and back, truncated, damaged, over the limit, with something behind it.

use std::io::Write;

use proptest::prelude::*;

use super::{Compression, DecompressError, Decompressed, decompress, decompress_all};

const LIMIT: usize = 32 << 20;

/// Bytes that pack well in places and badly in others.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..length)
        .map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if at / 512 % 3 == 0 { (state >> 24) as u8 } else { b"call start_kernel\0"[at % 18] }
        })
        .collect()
}

fn pack(kind: Compression, bytes: &[u8]) -> Vec<u8> {
    match kind {
        Compression::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Compression::Lzma => {
            let options = lzma_rust2::LzmaOptions::with_preset(6);
            let mut writer = lzma_rust2::LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Compression::Xz => {
            let mut options = lzma_rust2::XzOptions::with_preset(6);
            options.prepend_pre_filter(lzma_rust2::FilterType::BcjX86, 0);
            let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Compression::Lzo => lzop(bytes),
        Compression::Lz4 => {
            let mut packed = super::lz4::LEGACY_MAGIC.to_vec();
            for block in bytes.chunks(8 << 20) {
                let block = lz4_flex::block::compress(block);
                packed.extend_from_slice(&u32::try_from(block.len()).unwrap().to_le_bytes());
                packed.extend_from_slice(&block);
            }
            packed
        }
        Compression::Lz4Frame => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(bytes, 6).unwrap(),
    }
}

/// The container by hand, around blocks of another LZO1X packer.
fn lzop(bytes: &[u8]) -> Vec<u8> {
    let mut file = super::lzo::MAGIC.to_vec();
    file.extend_from_slice(&[0x10, 0x40, 0x20, 0xa0, 0x09, 0x40, 3, 9]);
    file.extend_from_slice(&0x0300_0001_u32.to_be_bytes()); // flags: a checksum of what is unpacked
    file.extend_from_slice(&[0; 12]);
    file.extend_from_slice(&[0, 0, 0, 0, 0]);
    let be = |size: usize| u32::try_from(size).unwrap().to_be_bytes();
    for block in bytes.chunks(64 << 10) {
        let packed = lzokay_native::compress(block).unwrap();
        let packed = if packed.len() < block.len() { &packed } else { block };
        file.extend_from_slice(&be(block.len()));
        file.extend_from_slice(&be(packed.len()));
        file.extend_from_slice(&adler(block).to_be_bytes());
        file.extend_from_slice(packed);
    }
    file.extend_from_slice(&[0; 4]);
    file
}

fn adler(bytes: &[u8]) -> u32 {
    let a = bytes.iter().fold(1, |a, byte| (a + u32::from(*byte)) % 65521);
    let b = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    b.1 << 16 | a
}

#[test]
fn each_compression_is_recognised_and_undone() {
    for kind in Compression::ALL {
        for length in [1, 700, 300_000] {
            let content = sample(length);
            let packed = pack(kind, &content);
            assert_eq!(Compression::detect(&packed), Some(kind), "{kind}, {length} bytes");
            let unpacked = decompress(kind, &packed, LIMIT).unwrap();
            assert_eq!(unpacked.consumed, packed.len(), "{kind}, {length} bytes");
            assert!(unpacked.bytes == content, "{kind}, {length} bytes");
        }
    }
}

#[test]
fn a_stream_says_where_it_ends() {
    let content = sample(5000);
    for kind in Compression::ALL {
        let packed = pack(kind, &content);
        for behind in [b"\0\0\0\x00070701".as_slice(), b"070701", &[0x1f, 0x8b, 8, 0], &[0xff; 40]] {
            let all = [packed.as_slice(), behind].concat();
            let unpacked = decompress(kind, &all, LIMIT).unwrap();
            assert_eq!(unpacked.consumed, packed.len(), "{kind}, followed by {behind:02x?}");
            assert!(unpacked.bytes == content, "{kind}");
        }
    }
}

#[test]
fn streams_in_a_row_are_one_file() {
    let (first, second) = (sample(5000), sample(70_000));
    for kind in Compression::ALL {
        let mut all = pack(kind, &first);
        if kind == Compression::Xz {
            all.extend_from_slice(&[0; 8]);
        }
        all.extend_from_slice(&pack(kind, &second));
        let length = all.len();
        all.extend_from_slice(b"\0\0\0\0behind");
        let unpacked = decompress_all(kind, &all, LIMIT).unwrap();
        let content = [first.as_slice(), second.as_slice()].concat();
        assert!(unpacked == Decompressed { bytes: content, consumed: length }, "{kind}");
    }
}

#[test]
fn legacy_lz4_goes_on_after_full_blocks() {
    let content = sample((8 << 20) + 100);
    let packed = pack(Compression::Lz4, &content);
    assert!(decompress(Compression::Lz4, &packed, LIMIT).unwrap().bytes == content);
}

#[test]
fn the_limit_is_kept() {
    let content = sample(300_000);
    for kind in Compression::ALL {
        let packed = pack(kind, &content);
        assert_eq!(decompress(kind, &packed, 300_000).map(|unpacked| unpacked.bytes.len()), Ok(300_000));
        let error = decompress(kind, &packed, 299_999).unwrap_err();
        assert_eq!(error, DecompressError::TooBig { kind, limit: 299_999 });
    }
}

#[test]
fn a_cut_stream_is_called_truncated() {
    let content = sample(5000);
    for kind in Compression::ALL {
        let packed = pack(kind, &content);
        for length in [packed.len() - 1, packed.len() / 2] {
            // A legacy lz4 frame has nothing that tells its end.
            let error = decompress(kind, &packed[..length], LIMIT).unwrap_err();
            assert_eq!(error, DecompressError::Truncated(kind), "{kind}, {length} bytes");
        }
    }
}

#[test]
fn damage_is_noticed_by_those_with_checksums() {
    let content = sample(5000);
    for kind in Compression::ALL {
        let mut packed = pack(kind, &content);
        let middle = packed.len() / 2;
        packed[middle] ^= 0x55;
        if let Ok(unpacked) = decompress(kind, &packed, LIMIT) {
            let unchecked = [Compression::Lz4, Compression::Lz4Frame, Compression::Zstd, Compression::Lzma];
            assert!(unchecked.contains(&kind), "{kind} gave {} bytes", unpacked.bytes.len());
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(kind in 0..Compression::ALL.len(), tail: Vec<u8>, cut in 0..400_usize) {
        let kind = Compression::ALL[kind];
        let mut bytes = pack(kind, &sample(2000));
        bytes.truncate(cut);
        bytes.extend_from_slice(&tail);
        if let Ok(unpacked) = decompress_all(kind, &bytes, 4096) {
            prop_assert!(unpacked.bytes.len() <= 4096 && unpacked.consumed <= bytes.len());
        }
        let _ = decompress(kind, &tail, 4096);
        let _ = Compression::detect(&tail);
    }

    #[test]
    fn changed_bytes_never_panic(kind in 0..Compression::ALL.len(), at in 0..1000_usize, to: u8) {
        let kind = Compression::ALL[kind];
        let mut bytes = pack(kind, &sample(2000));
        let length = bytes.len();
        bytes[at % length] = to;
        if let Ok(unpacked) = decompress(kind, &bytes, 4096) {
            prop_assert!(unpacked.bytes.len() <= 4096 && unpacked.consumed <= length);
        }
    }
}

/// What gzip, bzip2, `lzma -9`, `xz --x86`, `lzop -9`, `lz4 -l`, lz4 and `zstd -22 --ultra` make of it
/// when they read from a pipe, with the options that kernel builds use (`scripts/Makefile.lib`).
fn code() -> Vec<u8> {
    let mut code = Vec::new();
    for call in 0..400_i32 {
        let target = 0x1000 + call * 7919 % 13 * 0x40;
        let next = i32::try_from(code.len()).unwrap() + 5;
        code.push(0xe8);
        code.extend_from_slice(&(target - next).to_le_bytes());
        code.extend_from_slice(&[0x90, 0x48, 0x89, (call & 0x3f) as u8]);
    }
    code.extend_from_slice(&b"Linux version 0.0.0\n".repeat(8));
    code
}

#[test]
fn what_the_real_tools_make_is_read() {
    let made: [(Compression, &[u8]); 8] = [
        (Compression::Gzip, include_bytes!("fixtures/content.gz")),
        (Compression::Bzip2, include_bytes!("fixtures/content.bz2")),
        (Compression::Lzma, include_bytes!("fixtures/content.lzma")),
        (Compression::Xz, include_bytes!("fixtures/content.xz")),
        (Compression::Lzo, include_bytes!("fixtures/content.lzo")),
        (Compression::Lz4, include_bytes!("fixtures/content.lz4-legacy")),
        (Compression::Lz4Frame, include_bytes!("fixtures/content.lz4")),
        (Compression::Zstd, include_bytes!("fixtures/content.zst")),
    ];
    for (kind, packed) in made {
        assert_eq!(Compression::detect(packed), Some(kind));
        let all = [packed, b"\0\0\0\0"].concat();
        let unpacked = decompress(kind, &all, LIMIT).unwrap();
        assert_eq!((unpacked.bytes == code(), unpacked.consumed), (true, packed.len()), "{kind}");
    }
}
