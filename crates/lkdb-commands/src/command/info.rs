//! `info`: the prefix; what is behind it stands with its family.

use super::{breakpoints, files, places, scope, symbols};
use crate::table::{Command, Group};

pub(crate) const COMMANDS: &[Command] = &[Command::prefix(
    &["info", "inf", "i"],
    "What is known: of symbols, lines, the machine",
    Group::Status,
    &[breakpoints::INFO, places::INFO, scope::INFO, symbols::INFO, files::INFO],
    None,
)];
