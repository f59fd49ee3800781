"""What tests lean on: real servers, small fakes."""
