//! Handshakes of the Noise Protocol Framework (noiseprotocol.org, revision 34), on snow: IKpsk2 only, and only up to the
//! split, whose keys go to tunnel.rs. The primitives come from aws-lc, so that snow brings no second set of ciphers.

use crate::tunnel::Keys;
use crate::{Outcome, slice, slice_mut};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::digest::{Context, SHA256};
use libc::{EBADMSG, EINVAL, EIO, ENOBUFS};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState};
use std::mem::{ManuallyDrop, size_of};
use std::slice::from_raw_parts_mut;
use zeroize::{Zeroize, Zeroizing};

const PATTERN: &str = "Noise_IKpsk2_25519_AESGCM_SHA256";
/// The psk2 of the pattern's name.
const PSK_PLACE: u8 = 2;
const KEY: usize = 32;
const TAG: usize = 16;
/// What a message is longer than its payload: `e, es, s, ss` and `e, ee, se, psk` (section 7.5 and 9.4).
const FIRST_OVERHEAD: usize = KEY + (KEY + TAG) + TAG;
const SECOND_OVERHEAD: usize = KEY + TAG;
/// Section 3: no message is longer.
const MAX_MESSAGE: usize = 65_535;

struct AwsLc;

impl CryptoResolver for AwsLc {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Kernel))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        matches!(choice, DHChoice::Curve25519).then(|| Box::<Curve25519>::default() as _)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        matches!(choice, HashChoice::SHA256).then(|| Box::new(Sha256(Context::new(&SHA256))) as _)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        matches!(choice, CipherChoice::AESGCM).then(|| Box::new(AesGcm(None)) as _)
    }
}

struct Kernel;

impl Random for Kernel {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        match unsafe { crate::aead::otb_random(dest.as_mut_ptr(), dest.len() as u32) } {
            0 => Ok(()),
            _ => Err(Error::Rng),
        }
    }
}

/// X25519 (RFC 7748). aws-lc wipes its copy of the key too when it is freed.
#[derive(Default)]
struct Curve25519 {
    private: Zeroizing<[u8; KEY]>,
    public: [u8; KEY],
    /// Made once, as aws-lc derives the public key each time.
    key: Option<PrivateKey>,
}

pub(crate) fn parse(private: &[u8]) -> Option<(PrivateKey, [u8; KEY])> {
    let key = PrivateKey::from_private_key(&X25519, private).ok()?;
    let public = key.compute_public_key().ok()?.as_ref().try_into().ok()?;
    Some((key, public))
}

impl Curve25519 {
    fn take(&mut self) -> Option<()> {
        let (key, public) = parse(&*self.private)?;
        (self.key, self.public) = (Some(key), public);
        Some(())
    }
}

impl Dh for Curve25519 {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        KEY
    }

    fn priv_len(&self) -> usize {
        KEY
    }

    fn set(&mut self, private: &[u8]) {
        // The length was checked by Handshake::new; all 32-byte strings are keys. Otherwise `dh` refuses.
        self.key = None;
        if private.len() == KEY {
            self.private.copy_from_slice(private);
            self.take();
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        rng.try_fill_bytes(&mut *self.private)?;
        self.take().ok_or(Error::Dh)
    }

    fn pubkey(&self) -> &[u8] {
        &self.public
    }

    fn privkey(&self) -> &[u8] {
        &*self.private
    }

    /// Refuses public keys of small order, whose result would be zero (RFC 7748, section 6.1).
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = public.get(..KEY).ok_or(Error::Dh)?;
        let private = self.key.as_ref().ok_or(Error::Dh)?;
        let peer = UnparsedPublicKey::new(&X25519, public);
        agree(private, peer, Error::Dh, |secret| {
            out[..KEY].copy_from_slice(secret);
            Ok(())
        })
    }
}

struct Sha256(Context);

impl Hash for Sha256 {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Context::new(&SHA256);
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let digest = std::mem::replace(&mut self.0, Context::new(&SHA256)).finish();
        out[..32].copy_from_slice(digest.as_ref());
    }
}

/// aws-lc wipes the key when it is freed or replaced.
struct AesGcm(Option<LessSafeKey>);

impl AesGcm {
    /// Section 12.4: 32 bits of zeros, then the counter in big-endian order.
    fn nonce(counter: u64) -> Nonce {
        let mut nonce = [0u8; 12];
        nonce[4..].copy_from_slice(&counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Cipher for AesGcm {
    fn name(&self) -> &'static str {
        "AESGCM"
    }

    fn set(&mut self, key: &[u8; KEY]) {
        self.0 = UnboundKey::new(&AES_256_GCM, key)
            .ok()
            .map(LessSafeKey::new);
    }

    /// snow asks only with a key set and enough room (Handshake::write); anything else would write no message.
    fn encrypt(&self, nonce: u64, authtext: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        let Some(key) = &self.0 else { return 0 };
        let Some(out) = out.get_mut(..plain.len() + TAG) else {
            return 0;
        };
        let (cipher, tag) = out.split_at_mut(plain.len());
        let aad = Aad::from(authtext);
        match key.seal_out_of_place_scatter(AesGcm::nonce(nonce), aad, plain, cipher, &[], tag) {
            Ok(()) => plain.len() + TAG,
            Err(_) => 0,
        }
    }

    fn decrypt(
        &self,
        nonce: u64,
        authtext: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        let key = self.0.as_ref().ok_or(Error::Decrypt)?;
        let length = sealed.len().checked_sub(TAG).ok_or(Error::Decrypt)?;
        let out = out.get_mut(..length).ok_or(Error::Decrypt)?;
        let (cipher, tag) = sealed.split_at(length);
        let aad = Aad::from(authtext);
        key.open_separate_gather(AesGcm::nonce(nonce), aad, cipher, tag, out)
            .or(Err(Error::Decrypt))?;
        Ok(length)
    }
}

/// One handshake. Boxed for life and wiped at its end, as snow keeps chaining key and psk in the structure itself.
pub struct Handshake {
    state: ManuallyDrop<HandshakeState>,
    /// The other end's static key is authentic: given, or read in a message that was accepted whole.
    remote_known: bool,
    /// The own ephemeral public key of an initiator, which its payload may refer to.
    ephemeral: Option<[u8; KEY]>,
    overhead: [usize; 2],
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let size = size_of::<HandshakeState>();
        // The state is never used again, and plain bytes may be written over it once it is dropped.
        unsafe {
            let memory: *mut HandshakeState = &mut *self.state;
            ManuallyDrop::drop(&mut self.state);
            from_raw_parts_mut(memory.cast::<std::mem::MaybeUninit<u8>>(), size).zeroize();
        }
    }
}

impl Handshake {
    pub(crate) fn new(
        private: &[u8; KEY],
        remote: Option<&[u8; KEY]>,
        psk: Option<&[u8; KEY]>,
        prologue: &[u8],
    ) -> Option<Box<Self>> {
        let mut builder = Builder::with_resolver(PATTERN.parse().ok()?, Box::new(AwsLc))
            .local_private_key(private)
            .ok()?
            .prologue(prologue)
            .ok()?;
        if let Some(psk) = psk {
            builder = builder.psk(PSK_PLACE, psk).ok()?;
        }
        let mut ephemeral = Curve25519::default();
        let state = match remote {
            // An initiator writes one message, so that a key drawn now is used once as one drawn then would be; snow has a
            // handshake's own draw in mind with the name of this call.
            Some(key) => {
                ephemeral.generate(&mut Kernel).ok()?;
                let own = builder.fixed_ephemeral_key_for_testing_only(ephemeral.privkey());
                own.remote_public_key(key).ok()?.build_initiator()
            }
            None => builder.build_responder(),
        };
        let mut overhead = [FIRST_OVERHEAD, SECOND_OVERHEAD];
        if remote.is_none() {
            overhead.reverse();
        }
        Some(Box::new(Handshake {
            state: ManuallyDrop::new(state.ok()?),
            remote_known: remote.is_some(),
            ephemeral: remote.map(|_| ephemeral.public),
            overhead,
        }))
    }

    /// Sets the pre-shared key, which is mixed in at the end of the second message (section 9.4): until then a responder may
    /// first read who asks. Once only, as the key of a finished handshake must be the one it was made with.
    pub(crate) fn set_psk(&mut self, psk: &[u8; KEY]) -> Result<(), Outcome> {
        if self.state.is_handshake_finished() {
            return Err(-EINVAL);
        }
        self.state
            .set_psk(usize::from(PSK_PLACE), psk)
            .or(Err(-EINVAL))
    }

    pub(crate) fn write(&mut self, payload: &[u8], out: &mut [u8]) -> Result<usize, Outcome> {
        let length = payload.len() + self.overhead[0];
        if !self.state.is_my_turn() || self.state.is_handshake_finished() || length > MAX_MESSAGE {
            return Err(-EINVAL);
        }
        // snow checks the room for its tokens without their tags.
        let out = out.get_mut(..length).ok_or(-ENOBUFS)?;
        match self.state.write_message(payload, out) {
            Ok(written) if written == length => Ok(length),
            _ => Err(-EIO),
        }
    }

    pub(crate) fn read(&mut self, message: &[u8], out: &mut [u8]) -> Result<usize, Outcome> {
        if self.state.is_my_turn() || self.state.is_handshake_finished() {
            return Err(-EINVAL);
        }
        let length = message
            .len()
            .checked_sub(self.overhead[1])
            .ok_or(-EBADMSG)?;
        let out = out.get_mut(..length).ok_or(-ENOBUFS)?;
        let read = self.state.read_message(message, out).or(Err(-EBADMSG))?;
        self.remote_known = true;
        Ok(read)
    }

    pub(crate) fn remote_key(&self) -> Option<&[u8]> {
        let known = self.remote_known.then(|| self.state.get_remote_static());
        known.flatten()
    }

    pub(crate) fn split(&mut self, remote_index: u32) -> Option<Keys> {
        if !self.state.is_handshake_finished() {
            return None;
        }
        let (mut first, mut second) = self.state.dangerously_get_raw_split();
        let keys = if self.state.is_initiator() {
            Keys::new(&first, &second, remote_index)
        } else {
            Keys::new(&second, &first, remote_index)
        };
        first.zeroize();
        second.zeroize();
        keys
    }
}

unsafe fn key<'a>(pointer: *const u8) -> &'a [u8; KEY] {
    unsafe { &*pointer.cast() }
}

/// The public key of a private one, both of 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_public_key(private: *const u8, public: *mut u8) -> Outcome {
    match parse(unsafe { key(private) }) {
        Some((_, bytes)) => unsafe {
            public.copy_from_nonoverlapping(bytes.as_ptr(), KEY);
            0
        },
        None => -EINVAL,
    }
}

/// Starts a handshake, as initiator when the other end's static key is given; null when snow refuses. The pre-shared key may
/// be null and set later.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_new(
    private: *const u8,
    remote: *const u8,
    psk: *const u8,
    prologue: *const u8,
    prologue_len: u32,
) -> *mut Handshake {
    let handshake = unsafe {
        let remote = (!remote.is_null()).then(|| key(remote));
        let psk = (!psk.is_null()).then(|| key(psk));
        let prologue = slice(prologue, prologue_len);
        Handshake::new(key(private), remote, psk, prologue)
    };
    handshake.map_or(std::ptr::null_mut(), Box::into_raw)
}

/// Sets the pre-shared key, before the second message is written or read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_set_psk(handshake: *mut Handshake, psk: *const u8) -> Outcome {
    let Some(handshake) = (unsafe { handshake.as_mut() }) else {
        return -EINVAL;
    };
    let set = handshake.set_psk(unsafe { key(psk) });
    set.map_or_else(|error| error, |()| 0)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_write(
    handshake: *mut Handshake,
    payload: *const u8,
    length: u32,
    out: *mut u8,
    room: u32,
) -> Outcome {
    let Some(handshake) = (unsafe { handshake.as_mut() }) else {
        return -EINVAL;
    };
    let (payload, out) = unsafe { (slice(payload, length), slice_mut(out, room)) };
    handshake
        .write(payload, out)
        .map_or_else(|error| error, |count| count as Outcome)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_read(
    handshake: *mut Handshake,
    message: *const u8,
    length: u32,
    out: *mut u8,
    room: u32,
) -> Outcome {
    let Some(handshake) = (unsafe { handshake.as_mut() }) else {
        return -EINVAL;
    };
    let (message, out) = unsafe { (slice(message, length), slice_mut(out, room)) };
    handshake
        .read(message, out)
        .map_or_else(|error| error, |count| count as Outcome)
}

/// Writes the other end's static key: 1, or 0 while it is not known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_remote_key(handshake: *mut Handshake, out: *mut u8) -> Outcome {
    let remote = unsafe { handshake.as_ref() }.and_then(Handshake::remote_key);
    match remote {
        Some(bytes) => unsafe {
            out.copy_from_nonoverlapping(bytes.as_ptr(), KEY);
            1
        },
        None => 0,
    }
}

/// Writes an initiator's own ephemeral public key: 1, or 0 for a responder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_ephemeral(handshake: *mut Handshake, out: *mut u8) -> Outcome {
    match unsafe { handshake.as_ref() }.and_then(|handshake| handshake.ephemeral) {
        Some(bytes) => unsafe {
            out.copy_from_nonoverlapping(bytes.as_ptr(), KEY);
            1
        },
        None => 0,
    }
}

/// The keys of a finished handshake, else null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_split(
    handshake: *mut Handshake,
    remote_index: u32,
) -> *mut Keys {
    let keys = unsafe { handshake.as_mut() }.and_then(|handshake| handshake.split(remote_index));
    keys.map_or(std::ptr::null_mut(), |keys| Box::into_raw(Box::new(keys)))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn otb_noise_free(handshake: *mut Handshake) {
    if !handshake.is_null() {
        drop(unsafe { Box::from_raw(handshake) });
    }
}
