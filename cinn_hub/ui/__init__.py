"""The Gradio app, one file a tab. Calls the public interface and computes nothing itself."""
