"""From a plan to what a deployment holds, section by section, with the grounds of each derived value."""
