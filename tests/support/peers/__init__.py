"""Outside references: small functions that run other codes and answer in our coordinates."""
