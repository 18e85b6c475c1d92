"""rules/ -> compiled policy: evidence weights, tiers, rules, caution lists, with their digests."""
