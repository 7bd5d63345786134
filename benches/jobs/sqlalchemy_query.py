"""Fills a table and asks it with SQLAlchemy."""

from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class City(Base):
    __tablename__ = "city"
    name: Mapped[str] = mapped_column(primary_key=True)
    people: Mapped[int]


engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all(City(name=name, people=people) for name, people in [("Turku", 195), ("Oulu", 210), ("Vaasa", 68)])
    session.commit()
    print(session.scalars(select(City.name).where(City.people > 100).order_by(City.name)).all())
    print(session.scalar(select(func.sum(City.people))))
