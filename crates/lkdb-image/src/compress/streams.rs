//! The compressions that a library reads: gzip, bzip2, lzma, xz, zstd. Each function unpacks one
//! stream and says how much of the input it took.

use lzma_rust2::{Action, LzmaReader, Status, XzStream};

use super::DecompressError;
use super::output::Output;

/// What a decoder's dictionary may take, in KiB: `xz_wrap.sh` gives x86 kernels 128 MiB.
const DICTIONARY_LIMIT_KIB: u32 = 256 * 1024;
/// zstd windows of up to 128 MiB: what `zstd -22 --ultra`, used for kernels, makes.
const ZSTD_WINDOW_LOG: u32 = 27;

pub(super) fn gzip(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut reader = flate2::bufread::GzDecoder::new(bytes);
    output.drain(&mut reader)?;
    Ok(bytes.len() - reader.into_inner().len())
}

pub(super) fn bzip2(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut reader = bzip2::bufread::BzDecoder::new(bytes);
    output.drain(&mut reader)?;
    Ok(bytes.len() - reader.into_inner().len())
}

pub(super) fn lzma(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut reader = LzmaReader::new_mem_limit(bytes, DICTIONARY_LIMIT_KIB, None)
        .map_err(|error| output.failed(&error))?;
    output.drain(&mut reader)?;
    let (rest, buffered) = reader.into_parts();
    Ok(bytes.len() - rest.len() - buffered.len())
}

pub(super) fn zstd(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut reader = zstd::stream::read::Decoder::with_buffer(bytes)
        .map_err(|error| output.failed(&error))?
        .single_frame();
    reader.window_log_max(ZSTD_WINDOW_LOG).map_err(|error| output.failed(&error))?;
    output.drain(&mut reader)?;
    Ok(bytes.len() - reader.finish().len())
}

pub(super) fn xz(bytes: &[u8], output: &mut Output) -> Result<usize, DecompressError> {
    let mut stream = XzStream::new_mem_limit(false, DICTIONARY_LIMIT_KIB);
    let mut chunk = vec![0; 128 * 1024];
    let mut rest = bytes;
    loop {
        let step = stream.process(rest, &mut chunk, Action::Finish).map_err(|error| output.failed(&error))?;
        rest = rest.get(step.bytes_consumed..).unwrap_or_default();
        output.push(chunk.get(..step.bytes_produced).unwrap_or_default())?;
        if step.status == Status::StreamEnd {
            return Ok(bytes.len() - rest.len());
        }
        if step.bytes_consumed == 0 && step.bytes_produced == 0 {
            return Err(output.truncated());
        }
    }
}
