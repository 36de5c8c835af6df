"""What every page stands in: navigation, theme, About, and words of visitors made safe to show."""
