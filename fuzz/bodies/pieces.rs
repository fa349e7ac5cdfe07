//! Cuts made of the input itself, so that an input says everything about its run.

/// Cuts `octets` into pieces of 1 to 64 octets, or all alike if `choice` is below 64; the choice fixes all of them.
pub(crate) fn pieces(mut octets: &[u8], choice: u8) -> Vec<&[u8]> {
    let mut state = u32::from(choice);
    let mut pieces = Vec::new();
    while !octets.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); // Numerical Recipes' generator
        let length = if choice < 64 { usize::from(choice) + 1 } else { (state >> 26) as usize + 1 };
        let (piece, rest) = octets.split_at(length.min(octets.len()));
        pieces.push(piece);
        octets = rest;
    }
    pieces
}
