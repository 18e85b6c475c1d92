"""A workspace: the folder, settings, people and log that the referrals of one network live in."""
