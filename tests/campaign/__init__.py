"""What is done to the app and its files to find what is lost, or ends without a sentence."""
