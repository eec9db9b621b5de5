//! Fuzzes the simulator with paths.
#![no_main]

use beamline_fuzz::request::Target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| beamline_fuzz::run(Target::Paths, data));
