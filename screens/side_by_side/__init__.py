"""Up to four circuits side by side: what each scores, what they share, edge by edge."""
