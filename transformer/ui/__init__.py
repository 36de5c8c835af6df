"""The only Streamlit code outside `app.py` and `pages/`: cached calls, pickers, components."""
