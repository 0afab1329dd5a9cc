//! The agent, running real programs of the host.

use std::collections::BTreeSet;

use lkdb_agent::credit::STREAM_WINDOW;
use lkdb_agent::{Exit, Report, Request, Spawn, Stream};

use crate::host::{Host, Outcome};

fn run(host: &mut Host, argv: &[&str], stdin: &[u8]) -> Outcome {
    host.spawn(1, argv, !stdin.is_empty());
    host.finish(1, stdin)
}

#[test]
fn streams_stay_apart_and_the_status_comes_back() {
    let mut host = Host::new();
    let outcome = run(&mut host, &["sh", "-c", "echo out; echo err >&2; exit 7"], b"");
    assert_eq!(outcome.stdout, b"out\n");
    assert_eq!(outcome.stderr, b"err\n");
    assert_eq!(outcome.exit, Some(Exit::Status(7)));
}

#[test]
fn a_megabyte_of_every_byte_goes_through_cat() {
    let sent: Vec<u8> = (0..1u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), 256);
    let outcome = run(&mut Host::new(), &["cat"], &sent);
    assert!(outcome.stdout == sent, "{} of {} bytes, or others", outcome.stdout.len(), sent.len());
    assert_eq!(outcome.exit, Some(Exit::Status(0)));
}

#[test]
fn signals_are_told_from_statuses() {
    let outcome = run(&mut Host::new(), &["sh", "-c", "kill -SEGV $$"], b"");
    assert_eq!(outcome.exit, Some(Exit::Signal(11)));
    assert_eq!(outcome.exit.unwrap().shell_status(), 139);
}

#[test]
fn what_cannot_be_run_says_so_as_a_shell_does() {
    let mut host = Host::new();
    let (status, text) = run(&mut host, &["no-such-program"], b"").failed.unwrap();
    assert_eq!((status, text.as_str()), (127, "no-such-program: not found"));
    let (status, _) = run(&mut host, &["/etc/passwd"], b"").failed.unwrap();
    assert_eq!(status, 126);
    let (status, _) = run(&mut host, &[], b"").failed.unwrap();
    assert_eq!(status, 125);
}

#[test]
fn stdin_is_at_its_end_when_there_is_none() {
    assert_eq!(run(&mut Host::new(), &["cat"], b"").exit, Some(Exit::Status(0)));
}

#[test]
fn environment_and_directory_are_passed() {
    let mut host = Host::new();
    let spawn = Spawn {
        argv: vec![b"sh".to_vec(), b"-c".to_vec(), b"echo $A $HOME; pwd".to_vec()],
        env: vec![(b"A".to_vec(), b"b c".to_vec())],
        cwd: b"/usr".to_vec(),
        stdin: false,
    };
    host.send(1, &Request::Spawn(spawn));
    assert_eq!(host.finish(1, b"").stdout, b"b c /root\n/usr\n");
}

#[test]
fn a_reader_that_stops_blocks_only_itself() {
    let mut host = Host::new();
    host.spawn(1, &["cat", "/dev/zero"], false);
    let mut unread = 0;
    // Takes what comes and grants nothing: the window's bytes, and then no more.
    while unread < STREAM_WINDOW as usize {
        unread += host.wait(1, |report| match report {
            Report::Output(Stream::Stdout, bytes) => Some(bytes.len()),
            _ => None,
        });
    }
    host.spawn(2, &["sh", "-c", "echo through"], false);
    assert_eq!(host.finish(2, b"").stdout, b"through\n");
    host.send(0, &Request::Ping(5));
    host.wait(0, |report| (report == Report::Pong(5)).then_some(()));
    assert_eq!(unread, STREAM_WINDOW as usize);
    host.send(1, &Request::Kill(9));
    let exit = host.wait(1, |report| match report {
        Report::Exited(exit) => Some(exit),
        Report::Output(..) => panic!("output beyond the window"),
        _ => None,
    });
    assert_eq!(exit, Exit::Signal(9));
}

#[test]
fn a_command_that_does_not_read_its_stdin_blocks_only_itself() {
    let mut host = Host::new();
    host.spawn(1, &["sleep", "1000"], true);
    // More than a pipe holds, all that the window allows.
    for _ in 0..16 {
        host.send(1, &Request::Stdin(vec![0; 4096]));
    }
    host.spawn(2, &["cat"], true);
    assert_eq!(host.finish(2, b"through").stdout, b"through");
    host.send(1, &Request::Kill(15));
    assert_eq!(host.finish(1, b"").exit, Some(Exit::Signal(15)));
}

#[test]
fn an_overrun_window_ends_the_channel() {
    let mut host = Host::new();
    host.spawn(1, &["sleep", "1000"], true);
    // The pipe's 64 KiB were granted again; then the window's, and more.
    for _ in 0..40 {
        host.send(1, &Request::Stdin(vec![0; 4096]));
    }
    assert_eq!(host.finish(1, b"").failed.unwrap().0, 125);
}

#[test]
fn a_closed_channel_is_hung_up_and_its_number_free() {
    let mut host = Host::new();
    host.spawn(1, &["sh", "-c", "echo $$; exec sleep 1000"], false);
    let pid = host.wait(1, |report| match report {
        Report::Output(_, bytes) => Some(String::from_utf8(bytes).unwrap().trim().to_owned()),
        _ => None,
    });
    host.send(1, &Request::Close);
    assert_eq!(run(&mut host, &["sh", "-c", "echo next"], b"").stdout, b"next\n");
    let wait = "while kill -0 $0 2>&-; do sleep 0.05; done";
    assert_eq!(run(&mut host, &["sh", "-c", wait, &pid], b"").exit, Some(Exit::Status(0)));
}

#[test]
fn a_new_host_finds_no_channels() {
    let mut host = Host::new();
    host.spawn(1, &["sleep", "1000"], false);
    host.wait(1, |report| matches!(report, Report::Started(_)).then_some(()));
    host.send(0, &Request::Hello);
    host.wait(0, |report| matches!(report, Report::Hello(_)).then_some(()));
    assert_eq!(run(&mut host, &["sh", "-c", "echo mine"], b"").stdout, b"mine\n");
}

#[test]
fn thirty_commands_at_once() {
    let mut host = Host::new();
    for channel in 1..=30 {
        host.spawn(channel, &["sh", "-c", "head -c 20000 /dev/zero; exit $0", &channel.to_string()], false);
    }
    for channel in 1..=30u8 {
        let outcome = host.finish(u32::from(channel), b"");
        assert_eq!(outcome.stdout.len(), 20000);
        assert_eq!(outcome.exit, Some(Exit::Status(channel)));
    }
}

#[test]
fn the_agent_ends_with_its_line() {
    let mut host = Host::new();
    host.spawn(1, &["cat"], true);
    host.wait(1, |report| matches!(report, Report::Started(_)).then_some(()));
    assert!(host.hang_up().code().is_some());
}
