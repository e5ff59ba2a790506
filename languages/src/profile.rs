//! (in work)
/// A profile.
pub struct Profile;
