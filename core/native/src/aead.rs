//! AEAD streams of Shadowsocks: SIP022 (2022-blake3-aes-256-gcm) and SIP004 (aes-256-gcm). A session is one direction:
//! a subkey, a counter that never repeats, and for opening the frame that has not arrived in full.

use crate::Outcome;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use hkdf::Hkdf;
use libc::{EBADMSG, EINVAL, ENOBUFS, EOVERFLOW};
use sha1::Sha1;
use std::slice::{from_raw_parts, from_raw_parts_mut};
use zeroize::Zeroizing;

pub(crate) const TAG: usize = 16;
const KEY: usize = 32;
pub(crate) const HEAD: usize = 2 + TAG;

/// One direction of one stream. The key schedule lies in memory of aws-lc, which wipes it when it is freed
/// (OPENSSL_free).
pub struct Session {
    key: LessSafeKey,
    counter: u64,
    /// Sealed bytes of the incomplete frame part: as much as it needs, nothing when none is pending.
    pub(crate) pending: Vec<u8>,
    /// Length of the payload whose head was opened, if any.
    payload: Option<u16>,
    max_payload: u16,
    broken: bool,
    /// A frame without payload was opened.
    ended: bool,
}

impl Session {
    pub fn new(method: u32, psk: &[u8], salt: &[u8]) -> Option<Self> {
        if psk.len() != KEY || salt.len() != KEY {
            return None;
        }
        let mut subkey = Zeroizing::new([0u8; KEY]);
        let max_payload = match method {
            0 => {
                let mut material = Zeroizing::new([0u8; 2 * KEY]);
                material[..KEY].copy_from_slice(psk);
                material[KEY..].copy_from_slice(salt);
                *subkey = blake3::derive_key("shadowsocks 2022 session subkey", &*material);
                0xffff
            }
            1 => {
                Hkdf::<Sha1>::new(Some(salt), psk)
                    .expand(b"ss-subkey", &mut *subkey)
                    .ok()?;
                0x3fff
            }
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*subkey).ok()?);
        Some(Session {
            key,
            counter: 0,
            pending: Vec::new(),
            payload: None,
            max_payload,
            broken: false,
            ended: false,
        })
    }

    /// The next nonce: 12 bytes little-endian. The counter stops at its end rather than start over.
    fn nonce(&mut self) -> Result<Nonce, Outcome> {
        let mut nonce = [0u8; 12];
        nonce[..8].copy_from_slice(&self.counter.to_le_bytes());
        self.counter = self.counter.checked_add(1).ok_or(-EOVERFLOW)?;
        Ok(Nonce::assume_unique_for_key(nonce))
    }

    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<(), Outcome> {
        let nonce = self.nonce()?;
        let (cipher, tag) = out.split_at_mut(plain.len());
        self.key
            .seal_out_of_place_scatter(nonce, Aad::empty(), plain, cipher, &[], &mut tag[..TAG])
            .map_err(|_| -EINVAL)
    }

    fn open(&mut self, sealed: &[u8], out: &mut [u8]) -> Result<usize, Outcome> {
        if self.broken {
            return Err(-EBADMSG);
        }
        let length = sealed.len().checked_sub(TAG).ok_or(-EBADMSG)?;
        let nonce = self.nonce()?;
        let (cipher, tag) = sealed.split_at(length);
        self.key
            .open_separate_gather(nonce, Aad::empty(), cipher, tag, &mut out[..length])
            .map_err(|_| {
                self.broken = true;
                -EBADMSG
            })?;
        Ok(length)
    }

    pub(crate) fn seal_frames(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize, Outcome> {
        let mut written = 0;
        for payload in input.chunks(self.max_payload as usize) {
            self.seal(
                &(payload.len() as u16).to_be_bytes(),
                &mut out[written..written + HEAD],
            )?;
            written += HEAD;
            self.seal(payload, &mut out[written..written + payload.len() + TAG])?;
            written += payload.len() + TAG;
        }
        Ok(written)
    }

    /// Opens one complete part, head or payload, and returns the bytes of payload written.
    fn open_part(&mut self, sealed: &[u8], out: &mut [u8]) -> Result<usize, Outcome> {
        if let Some(length) = self.payload.take() {
            let opened = self.open(sealed, out)?;
            self.ended |= length == 0;
            return Ok(opened);
        }
        let mut head = [0u8; 2];
        self.open(sealed, &mut head)?;
        let length = u16::from_be_bytes(head);
        if length > self.max_payload {
            self.broken = true;
            return Err(-EBADMSG);
        }
        self.payload = Some(length);
        Ok(0)
    }

    pub(crate) fn open_frames(
        &mut self,
        mut input: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Outcome> {
        if self.broken {
            return Err(-EBADMSG);
        }
        // Checked before anything is consumed, so that the caller may come again with more room.
        if out.len() < self.pending.len() + input.len() {
            return Err(-ENOBUFS);
        }
        let mut written = 0;
        while !input.is_empty() {
            let part = self.payload.map_or(HEAD, |length| length as usize + TAG);
            let missing = part - self.pending.len();
            if input.len() < missing {
                self.pending.reserve_exact(missing);
                self.pending.extend_from_slice(input);
                break;
            }
            let (now, rest) = input.split_at(missing);
            input = rest;
            if self.pending.is_empty() {
                written += self.open_part(now, &mut out[written..])?;
            } else {
                let mut whole = std::mem::take(&mut self.pending);
                whole.extend_from_slice(now);
                written += self.open_part(&whole, &mut out[written..])?;
            }
        }
        Ok(written)
    }
}

fn flat(result: Result<usize, Outcome>) -> Outcome {
    result.map_or_else(|error| error, |count| count as Outcome)
}

/// Starts a session, method 0 SIP022 or 1 SIP004; null when key or salt has not 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_aead_new(
    method: u32,
    psk: *const u8,
    psk_len: u32,
    salt: *const u8,
    salt_len: u32,
) -> *mut Session {
    if psk_len as usize != KEY || salt_len as usize != KEY {
        return std::ptr::null_mut();
    }
    let (psk, salt) = unsafe { (from_raw_parts(psk, KEY), from_raw_parts(salt, KEY)) };
    Session::new(method, psk, salt).map_or(std::ptr::null_mut(), |session| {
        Box::into_raw(Box::new(session))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_aead_free(session: *mut Session) {
    if !session.is_null() {
        drop(unsafe { Box::from_raw(session) });
    }
}

/// An entry point on a session with an input and an output; `$room` tells the bytes of output there are.
macro_rules! entry {
    ($name:ident, $session:ident, $len:ident, $room:expr, |$input:ident, $output:ident| $body:expr) => {
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            session: *mut Session,
            input: *const u8,
            offset: u32,
            length: u32,
            out: *mut u8,
            out_offset: u32,
        ) -> Outcome {
            let Some($session) = (unsafe { session.as_mut() }) else {
                return -EINVAL;
            };
            let $len = length as usize;
            let $input = unsafe { from_raw_parts(input.add(offset as usize), $len) };
            let $output = unsafe { from_raw_parts_mut(out.add(out_offset as usize), $room) };
            flat($body)
        }
    };
}

entry!(
    otb_aead_seal_one,
    session,
    length,
    length + TAG,
    |input, out| session.seal(input, out).map(|()| length + TAG)
);
entry!(
    otb_aead_open_one,
    session,
    length,
    length.saturating_sub(TAG),
    |input, out| session.open(input, out)
);
entry!(
    otb_aead_seal_frames,
    session,
    length,
    length + length.div_ceil(session.max_payload as usize) * (HEAD + TAG),
    |input, out| session.seal_frames(input, out)
);

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_aead_open_frames(
    session: *mut Session,
    input: *const u8,
    offset: u32,
    length: u32,
    out: *mut u8,
    out_offset: u32,
    out_room: u32,
) -> Outcome {
    let Some(session) = (unsafe { session.as_mut() }) else {
        return -EINVAL;
    };
    let input = unsafe { from_raw_parts(input.add(offset as usize), length as usize) };
    let out = unsafe { from_raw_parts_mut(out.add(out_offset as usize), out_room as usize) };
    flat(session.open_frames(input, out))
}

/// 1 once a frame without payload was opened, which is nothing but a word: what it means is for the caller to say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_aead_ended(session: *const Session) -> Outcome {
    unsafe { session.as_ref() }.map_or(0, |session| Outcome::from(session.ended))
}

/// Mixes in what a machine that was restored from a snapshot with its memory does not have in common with its twin: the
/// kernel's generator goes on where it stood until it is seeded anew (at once only where the hypervisor tells, vmgenid).
fn stir(bytes: &mut [u8]) {
    let mut mix = |place: usize, value: u64| {
        for (byte, other) in bytes.iter_mut().skip(place).zip(value.to_le_bytes()) {
            *byte ^= other;
        }
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    mix(0, now.map_or(0, |now| now.as_nanos() as u64));
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("rdrand") {
        let mut value = 0;
        if unsafe { rdrand(&mut value) } {
            mix(8, value);
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "rdrand")]
unsafe fn rdrand(value: &mut u64) -> bool {
    std::arch::x86_64::_rdrand64_step(value) == 1
}

/// Fills the buffer with random bytes of the kernel.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_random(buffer: *mut u8, length: u32) -> Outcome {
    let mut done = 0;
    while done < length as usize {
        let got = unsafe { libc::getrandom(buffer.add(done).cast(), length as usize - done, 0) };
        match crate::outcome(got) {
            error if error == -libc::EINTR => {}
            error if error < 0 => return error,
            count => done += count as usize,
        }
    }
    if length > 0 {
        stir(unsafe { from_raw_parts_mut(buffer, length as usize) });
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spent_counter_refuses_instead_of_starting_over() {
        let mut session = Session::new(0, &[1; 32], &[2; 32]).unwrap();
        session.counter = u64::MAX;
        let mut out = [0u8; 17];
        assert_eq!(session.seal(b"x", &mut out), Err(-EOVERFLOW));
        assert_eq!(session.seal(b"x", &mut out), Err(-EOVERFLOW));
    }

    #[test]
    fn twins_of_one_memory_draw_different_bytes() {
        // As after a restored snapshot: the kernel's generator gives both the same.
        let (mut one, mut other) = ([7u8; 32], [7u8; 32]);
        stir(&mut one);
        stir(&mut other);
        assert_ne!(one, other);
        assert_eq!(one[16..], [7u8; 16]);
        stir(&mut one[..1]);
    }

    #[test]
    fn an_empty_frame_is_noticed_once_all_of_it_has_come() {
        let mut sealer = Session::new(0, &[1; 32], &[2; 32]).unwrap();
        let mut opener = Session::new(0, &[1; 32], &[2; 32]).unwrap();
        let mut sealed = [0u8; HEAD + TAG];
        sealer.seal(&[0, 0], &mut sealed[..HEAD]).unwrap();
        sealer.seal(&[], &mut sealed[HEAD..]).unwrap();
        let mut out = [0u8; 256];
        assert_eq!(opener.open_frames(&sealed[..HEAD + 15], &mut out), Ok(0));
        assert!(!opener.ended);
        assert_eq!(opener.open_frames(&sealed[HEAD + 15..], &mut out), Ok(0));
        assert!(opener.ended);
    }

    #[test]
    fn nothing_is_kept_once_frames_are_complete() {
        let mut sealer = Session::new(0, &[1; 32], &[2; 32]).unwrap();
        let mut opener = Session::new(0, &[1; 32], &[2; 32]).unwrap();
        let mut sealed = [0u8; 100 + HEAD + TAG];
        sealer.seal_frames(&[7; 100], &mut sealed).unwrap();
        let mut out = [0u8; 256];
        assert_eq!(opener.open_frames(&sealed[..60], &mut out), Ok(0));
        assert_eq!(opener.pending.capacity(), 116);
        assert_eq!(opener.open_frames(&sealed[60..], &mut out), Ok(100));
        assert_eq!(opener.pending.capacity(), 0);
    }

    #[test]
    fn a_session_takes_at_most_one_kilobyte() {
        let _alone = crate::MEMORY.lock();
        let used = || unsafe { libc::mallinfo2() }.uordblks;
        let before = used();
        let kept: Vec<_> = (0..1000)
            .map(|_| Box::new(Session::new(0, &[1; 32], &[2; 32])))
            .collect();
        let each = (used() - before) / kept.len();
        assert!((256..=1024).contains(&each), "{each} bytes each");
        println!("{each} bytes each");
    }
}
