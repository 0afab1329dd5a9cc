//! Registers through the stub: what there are (target.xml), all of one CPU, one of each CPU.

use std::sync::Arc;

use super::{Stub, expect_ok};
use crate::error::{Error, Result, excerpt};
use crate::packet::{from_hex, to_hex};
use crate::registers::{RegisterLayout, Registers};
use crate::stop::Thread;

impl Stub {
    /// What registers the target has; read from target.xml once.
    ///
    /// # Errors
    /// For a stub without target.xml, or with one that makes no sense.
    pub fn layout(&mut self) -> Result<Arc<RegisterLayout>> {
        if let Some(layout) = &self.layout {
            return Ok(Arc::clone(layout));
        }
        if !self.features.target_xml {
            return Err(Error::Unsupported("qXfer:features:read".to_owned()));
        }
        let main = self.document("target.xml")?;
        let layout = Arc::new(RegisterLayout::parse(&main, |href| self.document(href))?);
        self.layout = Some(Arc::clone(&layout));
        Ok(layout)
    }

    /// One of target.xml's documents, fetched piece by piece.
    fn document(&mut self, name: &str) -> Result<String> {
        const LONGEST: usize = 4 << 20;
        let piece = self.features.packet_size.clamp(160, 64 * 1024) - 32;
        let mut text = Vec::new();
        loop {
            let request = format!("qXfer:features:read:{name}:{:x},{piece:x}", text.len());
            let answer = self.request(&request)?;
            let (last, bytes) = match answer.split_first() {
                Some((b'l', bytes)) => (true, bytes),
                Some((b'm', bytes)) if !bytes.is_empty() && text.len() < LONGEST => (false, bytes),
                _ => {
                    let expected = "piece of a document";
                    return Err(Error::Garbage { request, answer: excerpt(&answer), expected });
                }
            };
            text.extend_from_slice(bytes);
            if last {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
    }

    /// All registers of a CPU, asked for once a [generation](Self::generation).
    ///
    /// # Errors
    /// When the answer does not fit target.xml, and while the machine runs.
    pub fn registers(&mut self, thread: Thread) -> Result<Registers> {
        if self.kept.0 == self.generation
            && let Some((_, known)) = self.kept.1.iter().find(|(of, _)| *of == thread)
        {
            return Ok(known.clone());
        }
        let read = self.registers_of(&[thread])?.pop().ok_or_else(|| Error::Unsupported("g".to_owned()))?;
        self.keep(thread, read.clone());
        Ok(read)
    }

    fn keep(&mut self, thread: Thread, read: Registers) {
        if self.kept.0 != self.generation {
            self.kept = (self.generation, Vec::new());
        }
        self.kept.1.push((thread, read));
    }

    /// All registers of each of these CPUs, in one exchange.
    ///
    /// # Errors
    /// As [`Stub::registers`].
    pub fn registers_of(&mut self, threads: &[Thread]) -> Result<Vec<Registers>> {
        let layout = self.layout()?;
        let questions: Vec<_> = threads.iter().map(|thread| (*thread, "g")).collect();
        let answers = self.of_each(&questions)?;
        answers.iter().map(|answer| parse(&layout, answer)).collect()
    }

    /// One register of up to 64 bits of each of these CPUs, in one exchange: where all of them stand. Of the CPU
    /// `whole` all registers come along, for [`Stub::registers`].
    ///
    /// # Errors
    /// As [`Stub::read_register`] and [`Stub::registers`].
    pub fn register_of(
        &mut self,
        threads: &[Thread],
        name: &str,
        whole: Option<Thread>,
    ) -> Result<Vec<(Thread, u64)>> {
        let layout = self.layout()?;
        let register = layout.find(name).filter(|register| register.bits <= 64);
        let register = register.ok_or_else(|| Error::NoRegister(name.to_owned()))?;
        let request = format!("p{:x}", register.number);
        let question = |thread: Thread| if Some(thread) == whole { "g" } else { request.as_str() };
        let questions: Vec<_> = threads.iter().map(|thread| (*thread, question(*thread))).collect();
        let answers = self.of_each(&questions)?;
        let mut read = Vec::with_capacity(threads.len());
        for (thread, answer) in threads.iter().zip(answers) {
            let number = if Some(*thread) == whole {
                let all = parse(&layout, &answer)?;
                let number = all.number(name);
                self.keep(*thread, all);
                number
            } else {
                let bytes = from_hex(&answer).filter(|bytes| bytes.len() == register.bytes());
                bytes.map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            };
            let number = number.ok_or_else(|| Error::Garbage {
                request: request.clone(),
                answer: excerpt(&answer),
                expected: "register of the size described",
            })?;
            read.push((*thread, number));
        }
        Ok(read)
    }

    /// The answer to one question of each CPU.
    fn of_each(&mut self, questions: &[(Thread, &str)]) -> Result<Vec<Vec<u8>>> {
        let selected = self.selected.take();
        let mut requests = Vec::with_capacity(questions.len() * 2);
        let mut now = selected;
        for (thread, question) in questions {
            if now != Some(*thread) {
                requests.push(format!("Hg{:x}", thread.0));
                now = Some(*thread);
            }
            requests.push((*question).to_owned());
        }
        let answers = self.requests(&requests)?;
        let mut answered = Vec::with_capacity(questions.len());
        for (request, answer) in requests.iter().zip(answers) {
            if request.starts_with('H') {
                expect_ok(request, &answer)?;
            } else {
                answered.push(answer);
            }
        }
        self.selected = now;
        Ok(answered)
    }

    /// One register of a CPU, its bytes in the target's order.
    ///
    /// # Errors
    /// [`Error::NoRegister`], or when the answer has another size than target.xml says.
    pub fn read_register(&mut self, thread: Thread, name: &str) -> Result<Vec<u8>> {
        let layout = self.layout()?;
        let register = layout.find(name).ok_or_else(|| Error::NoRegister(name.to_owned()))?;
        self.select(thread)?;
        let request = format!("p{:x}", register.number);
        let answer = self.request(&request)?;
        from_hex(&answer).filter(|bytes| bytes.len() == register.bytes()).ok_or_else(|| Error::Garbage {
            request,
            answer: excerpt(&answer),
            expected: "register of the size described",
        })
    }

    /// Sets one register of a CPU, from bytes in the target's order.
    ///
    /// # Errors
    /// [`Error::NoRegister`], [`Error::Description`] for the wrong number of bytes, or when refused.
    pub fn write_register(&mut self, thread: Thread, name: &str, bytes: &[u8]) -> Result<()> {
        let layout = self.layout()?;
        let register = layout.find(name).ok_or_else(|| Error::NoRegister(name.to_owned()))?;
        if bytes.len() != register.bytes() {
            return Err(Error::Description(format!(
                "`{name}` takes {} bytes, not {}",
                register.bytes(),
                bytes.len()
            )));
        }
        self.select(thread)?;
        self.generation += 1;
        self.ok(&format!("P{:x}={}", register.number, to_hex(bytes)))
    }
}

/// The answer to `g`.
fn parse(layout: &Arc<RegisterLayout>, answer: &[u8]) -> Result<Registers> {
    Registers::parse(Arc::clone(layout), answer).ok_or_else(|| Error::Garbage {
        request: "g".to_owned(),
        answer: excerpt(answer),
        expected: "set of registers",
    })
}
