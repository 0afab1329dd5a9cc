//! Lists records as GNU `cpio -tv` does, byte for byte.
//!
//! Who owns a file and what the local time is are facts of the host, so they are asked of the caller.

use std::io::{self, Write};

use super::newc::{Record, file_type};

/// What a listing takes from the host.
pub trait Host {
    /// The name of a user, if the host knows one.
    fn user(&self, uid: u32) -> Option<&str>;
    /// The name of a group, if the host knows one.
    fn group(&self, gid: u32) -> Option<&str>;
    /// Seconds between UTC and local time at a moment given in seconds since 1970.
    fn utc_offset(&self, at: i64) -> i64;
    /// The present moment, in seconds since 1970.
    fn now(&self) -> i64;
}

/// Half a year, beyond which the year is shown instead of the time of day.
const HALF_A_YEAR: i64 = 6 * 30 * 24 * 60 * 60;

/// Writes one line: mode, links, owner, group, size or device, date, name, and where a link points.
///
/// # Errors
/// Those of `out`.
pub fn line(record: &Record<'_>, host: &dyn Host, out: &mut dyn Write) -> io::Result<()> {
    let header = &record.header;
    let mode = mode_text(header.mode);
    let user = host.user(header.uid).map_or_else(|| header.uid.to_string(), str::to_owned);
    let group = host.group(header.gid).map_or_else(|| header.gid.to_string(), str::to_owned);
    write!(out, "{mode} {:3} {user:<8.8} {group:<8.8} ", header.nlink)?;
    match header.mode & file_type::MASK {
        file_type::CHAR | file_type::BLOCK => write!(out, "{:3}, {:3} ", header.rdev.0, header.rdev.1)?,
        _ => write!(out, "{:8} ", header.size)?,
    }
    write!(out, "{} ", date(header.mtime.into(), host))?;
    out.write_all(record.name)?;
    if header.mode & file_type::MASK == file_type::SYMLINK {
        out.write_all(b" -> ")?;
        // A C string there: it ends with its first NUL.
        out.write_all(record.data.split(|&byte| byte == 0).next().unwrap_or_default())?;
    }
    out.write_all(b"\n")
}

/// `drwxr-xr-x`, as ls writes it.
#[must_use]
pub fn mode_text(mode: u32) -> String {
    let kind = match mode & file_type::MASK {
        file_type::SOCKET => 's',
        file_type::SYMLINK => 'l',
        file_type::FILE => '-',
        file_type::BLOCK => 'b',
        file_type::DIR => 'd',
        file_type::CHAR => 'c',
        file_type::FIFO => 'p',
        _ => '?',
    };
    let mut text = String::from(kind);
    for (shift, special, set, unset) in [(6, 0o4000, 's', 'S'), (3, 0o2000, 's', 'S'), (0, 0o1000, 't', 'T')]
    {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => set,
            (false, true) => unset,
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// `Jan  1 00:00`, or with the year when that is long ago or still to come.
fn date(at: i64, host: &dyn Host) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let local = at + host.utc_offset(at);
    let (year, month, day) = civil(local.div_euclid(86400));
    let month = MONTHS.get(month.wrapping_sub(1)).copied().unwrap_or("???");
    let age = host.now() - at;
    if (0..=HALF_A_YEAR).contains(&age) {
        let minutes = local.rem_euclid(86400) / 60;
        format!("{month} {day:2} {:02}:{:02}", minutes / 60, minutes % 60)
    } else {
        format!("{month} {day:2}  {year}")
    }
}

/// Year, month and day of a number of days since 1970, by the Gregorian calendar: years are counted
/// from March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, usize, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as usize, day)
}
