//! libFuzzer on the target that OTB_FUZZ_TARGET names; the bodies are in ../src/fuzz.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(
    init: {
        let name = std::env::var("OTB_FUZZ_TARGET").expect("OTB_FUZZ_TARGET names a target");
        let (_, run) = otb_native::fuzz::TARGETS
            .iter()
            .find(|(known, _)| *known == name)
            .expect("OTB_FUZZ_TARGET names a known target");
        let _ = TARGET.set(*run);
    },
    |data: &[u8]| TARGET.get().expect("a target")(data)
);
