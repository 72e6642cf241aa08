"""The ranking seat: by what score ads are ranked, what an ad must bring, and how much is ventured on ads without a history."""
